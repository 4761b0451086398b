import { BUILT_IN_PLUGINS, type LoadedPlugin, type PluginInfo } from '../config/index.ts';
import { VERSION } from '../version.ts';
import { CommandError } from './command.ts';

const CONTACT = 'github.com/falcosecurity/plugins (interface); built in here';

/** `--list-plugins` */
export function listPluginsText(plugins: readonly LoadedPlugin[]): string {
  return `${plugins.length} Plugins Loaded:\n\n${plugins.map((plugin) => `${pluginText(plugin)}\n`).join('')}`;
}

/** `--plugin-info NAME`: also of one that is not loaded. */
export function pluginInfoText(name: string): string {
  const plugin = BUILT_IN_PLUGINS.find((p) => p.name === name);
  if (plugin === undefined) throw new CommandError(`Error: can't find plugin '${name}'`);
  const params =
    plugin.source === null ? '' : '\nSuggested open params: http://HOST:PORT/PATH, a file of JSON events\n';
  return `${pluginText(plugin)}\nInit config schema type: JSON\n{"type": "object"}\n${params}`;
}

function pluginText(plugin: PluginInfo): string {
  return [
    `Name: ${plugin.name}`,
    `Description: ${plugin.description}`,
    `Contact: ${CONTACT}`,
    `Version: ${plugin.version} (windhover ${VERSION})`,
    'Capabilities:',
    ...plugin.capabilities.map((capability) => `  - ${capability}`),
    '',
  ].join('\n');
}
