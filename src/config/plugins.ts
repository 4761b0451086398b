/** The plugins that are built in, by the names, versions and parameters of the plugins whose place they take. */
import { ConfigError } from './error.ts';
import type { Config } from './schema.ts';

export interface PluginInfo {
  readonly name: string;
  /** What `required_plugin_versions` is compared with. */
  readonly version: string;
  readonly description: string;
  /** As Falco prints them. */
  readonly capabilities: readonly string[];
  /** Groups of fields (as the catalogue names them) that it offers. */
  readonly fieldClasses: readonly string[];
  /** The event source that it opens; null for none. */
  readonly source: { readonly id: number; readonly name: string } | null;
}

const extraction = 'Field Extraction';

/** Ids of sources are those of the registry of falcosecurity/plugins. */
export const BUILT_IN_PLUGINS: readonly PluginInfo[] = [
  {
    name: 'container',
    version: '0.7.1',
    description: 'Containers of the host: engines, images, pods.',
    capabilities: [extraction, 'Event Parsing', 'Async Events'],
    fieldClasses: ['container', 'k8s'],
    source: null,
  },
  {
    name: 'json',
    version: '0.7.3',
    description: 'Values of any JSON event.',
    capabilities: [extraction],
    fieldClasses: ['json'],
    source: null,
  },
  {
    name: 'k8saudit',
    version: '0.18.0',
    description: 'Audit events of Kubernetes.',
    capabilities: ["Event Sourcing (ID=1, source='k8s_audit')", extraction],
    fieldClasses: ['k8saudit'],
    source: { id: 1, name: 'k8s_audit' },
  },
  {
    name: 'k8smeta',
    version: '0.4.1',
    description: 'Kubernetes resources around a pod.',
    capabilities: [extraction, 'Event Parsing', 'Async Events'],
    fieldClasses: ['k8smeta'],
    source: null,
  },
];

export interface LoadedPlugin extends PluginInfo {
  readonly initConfig: string | Readonly<Record<string, unknown>>;
  readonly openParams: string;
}

/**
 * The plugins that the configuration loads, in its order. A built-in one may be loaded without an entry in `plugins`.
 * Throws {@link ConfigError} for a name that is neither configured nor built in.
 */
export function loadedPlugins(config: Config): LoadedPlugin[] {
  const names = config.load_plugins ?? config.plugins.map((plugin) => plugin.name);
  const endpoint = config.k8s_audit_endpoint;
  const isImplied = endpoint !== '' && !names.includes(AUDIT);
  // Rules on audit events ask for both.
  const implied = isImplied ? [AUDIT, ...(names.includes('json') ? [] : ['json'])] : [];
  return [...names, ...implied].map((name) => {
    const entry =
      isImplied && name === AUDIT
        ? { init_config: '', open_params: listenAt(endpoint) }
        : config.plugins.find((plugin) => plugin.name === name);
    const info = BUILT_IN_PLUGINS.find((plugin) => plugin.name === name);
    if (info !== undefined) {
      return { ...info, initConfig: entry?.init_config ?? '', openParams: entry?.open_params ?? '' };
    }
    if (entry === undefined) {
      throw new ConfigError(
        `Cannot load plugin '${name}': plugin config not found for given name`,
        null,
        "Add it to 'plugins', or take it out of 'load_plugins'.",
      );
    }
    throw new ConfigError(
      `Cannot load plugin '${name}': it is not one of the built-in plugins`,
      null,
      `Native plugins cannot be loaded; built in are ${BUILT_IN_PLUGINS.map((plugin) => plugin.name).join(', ')}.`,
    );
  });
}

const AUDIT = 'k8saudit';

/** The address to listen at for an audit endpoint: its port and path on all of our addresses, whatever name the cluster has for us. */
function listenAt(endpoint: string): string {
  if (!/^https?:\/\//.test(endpoint)) return endpoint;
  const url = new URL(endpoint);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return `${url.protocol}//0.0.0.0:${port}${url.pathname}`;
}
