import {
  DRIVER_API_VERSION,
  ENGINE_VERSION,
  FALCO_VERSION,
  PLUGIN_API_VERSION,
  SCHEMA_VERSION,
  VERSION,
} from '../version.ts';

/** `--version`: one line each, or one JSON line. */
export function versionText(json: boolean): string {
  const engine = ENGINE_VERSION.split('.')[1] ?? '';
  if (json) {
    return `${JSON.stringify({
      default_driver_version: VERSION,
      driver_api_version: DRIVER_API_VERSION,
      driver_schema_version: SCHEMA_VERSION,
      engine_version: engine,
      engine_version_semver: ENGINE_VERSION,
      falco_version: FALCO_VERSION,
      libs_version: VERSION,
      plugin_api_version: PLUGIN_API_VERSION,
      windhover_version: VERSION,
    })}\n`;
  }
  return [
    `Windhover version: ${VERSION} (${process.arch})`,
    `Falco version:     ${FALCO_VERSION} (compatible)`,
    `Libs version:      ${VERSION}`,
    `Plugin API:        ${PLUGIN_API_VERSION}`,
    `Engine:            ${engine}, ${ENGINE_VERSION}`,
    'Driver:',
    `  API version:     ${DRIVER_API_VERSION}`,
    `  Schema version:  ${SCHEMA_VERSION}`,
    `  Default driver:  ${VERSION}`,
    '',
  ].join('\n');
}
