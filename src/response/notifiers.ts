import { DESTINATIONS } from '../outputs/destinations/index.ts';
import { type Alert, openSingle, problemOfSettings, type Sink, textOf } from '../outputs/forward/index.ts';
import type { Cluster } from './cluster.ts';

/** Talon's notifiers and ours: how they are told that something was done. */
export interface Notifiers {
  readonly names: readonly string[];
  /** @throws when there is none of that name, or it cannot be reached */
  send(name: string, alert: Alert): Promise<void>;
  close(): Promise<void>;
}

/** Talon's name of a setting → the destination's. */
const RENAMED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  webhook: { url: 'address', http_method: 'method' },
  loki: { url: 'hostport' },
  elasticsearch: { url: 'hostport', user: 'username' },
  smtp: { format: 'outputformat' },
};
/** Settings that Talon's notifiers have and destinations do not. */
const IGNORED = new Set(['content_type', 'user_agent', 'format']);

/** What is wrong with the notifiers, one text each. */
export function notifierProblems(
  notifiers: Readonly<Record<string, Readonly<Record<string, unknown>> | null>>,
): string[] {
  return Object.entries(notifiers).flatMap(([name, settings]) => {
    const kind = kindOf(name);
    if (kind === 'k8sevents') return [];
    if (!DESTINATIONS.some((destination) => destination.name === kind))
      return [`notifiers.${name}: there is no notifier of that kind`];
    const problem = problemOfSettings(kind, translate(kind, settings ?? {}), DESTINATIONS);
    return problem === null ? [] : [`notifiers.${name}: ${problem}`];
  });
}

export function createNotifiers(
  configured: Readonly<Record<string, Readonly<Record<string, unknown>> | null>>,
  cluster: () => Cluster,
  now: () => number,
): Notifiers {
  const sinks = new Map<string, Promise<Sink>>();
  // Kubernetes events need no settings.
  const all: Record<string, Readonly<Record<string, unknown>> | null> = { k8sevents: {}, ...configured };

  return {
    names: Object.keys(all),
    async send(name, alert) {
      if (!Object.hasOwn(all, name)) throw new Error(`there is no notifier ${name}`);
      const kind = kindOf(name);
      if (kind === 'k8sevents') return createEvent(cluster(), alert, now());
      let sink = sinks.get(name);
      if (sink === undefined) {
        sink = openSingle(kind, translate(kind, all[name] ?? {}), DESTINATIONS);
        sinks.set(name, sink);
        sink.catch(() => sinks.delete(name));
      }
      const refused = (await (await sink).send([alert])) ?? [];
      if (refused.length > 0) throw refused[0].error;
    },
    async close() {
      for (const sink of sinks.values()) await (await sink).close?.();
    },
  };
}

/** `slack`, or `slack:security` for another one of the kind. */
function kindOf(name: string): string {
  return name.split(':')[0];
}

function translate(kind: string, settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings)
      .filter(([key]) => !IGNORED.has(key) || RENAMED[kind]?.[key] !== undefined)
      .map(([key, value]) => [RENAMED[kind]?.[key] ?? key.replaceAll('_', ''), value]),
  );
}

/** An Event beside the pod, as `kubectl describe` shows. */
async function createEvent(cluster: Cluster, alert: Alert, at: number): Promise<void> {
  const namespace = textOf(alert.fields['k8s.ns.name']) || textOf(alert.fields['ka.target.namespace']) || 'default';
  const pod = textOf(alert.fields['k8s.pod.name']);
  const time = new Date(at).toISOString();
  await cluster.create(
    { version: 'v1', resource: 'events', namespace },
    {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { generateName: 'windhover-', namespace },
      type: 'Normal',
      reason: 'FalcoResponse',
      message: alert.output.slice(0, 1024),
      source: { component: 'windhover' },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
      involvedObject:
        pod === ''
          ? { kind: 'Namespace', name: namespace, apiVersion: 'v1' }
          : { kind: 'Pod', name: pod, namespace, apiVersion: 'v1' },
    },
    false,
  );
}
