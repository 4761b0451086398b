import { type Event, EventType } from '../event/index.ts';
import { printable } from './params.ts';

/** A plugin whose events we read ourselves. */
export interface PluginKind {
  readonly name: string;
  readonly source: string;
  /** A summary of an event of it. */
  readonly info: (event: Event) => string;
}

/** The payload is the summary. */
const payload = (event: Event): string => printable(event.bytes(1) ?? '');

/** By the registered plugin id (falcosecurity/plugins, registry.yaml), which events carry. */
const PLUGINS: ReadonlyMap<number, PluginKind> = new Map([
  [1, { name: 'k8saudit', source: 'k8s_audit', info: payload }],
  [2, { name: 'cloudtrail', source: 'aws_cloudtrail', info: payload }],
]);

const PLUGIN_EVENT = EventType.PLUGINEVENT_E;

/** The plugin of an event; null for events of the kernel. */
export function pluginOf(event: Event): PluginKind | null {
  if (event.type !== PLUGIN_EVENT || event.nparams < 1 || event.len(0) < 4) return null;
  return PLUGINS.get(event.u32(0)) ?? null;
}
