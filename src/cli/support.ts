import { readFileSync } from 'node:fs';
import { arch, hostname, release, type, version } from 'node:os';
import type { LoadedConfig } from '../config/index.ts';
import { ENGINE_VERSION } from '../rules/index.ts';
import { FALCO_VERSION, VERSION } from '../version.ts';

/** `--support`: what a report of a problem should hold, as JSON. */
export function supportText(loaded: LoadedConfig, rulesFiles: readonly string[]): string {
  return `${JSON.stringify({
    version: FALCO_VERSION,
    windhover_version: VERSION,
    engine_version: Number(ENGINE_VERSION.split('.')[1]),
    engine_version_semver: ENGINE_VERSION,
    system_info: {
      sysname: type(),
      nodename: hostname(),
      release: release(),
      version: version(),
      machine: arch(),
      node: process.version,
    },
    cmdline: ['windhover', ...process.argv.slice(2)].join(' '),
    config: loaded.files.map(({ text }) => text).join('\n'),
    rules_files: rulesFiles.map((name) => ({ name, content: readFileSync(name, 'utf8') })),
  })}\n`;
}
