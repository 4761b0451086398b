import { type Alert, fieldTexts, textOf, toJson } from '../forward/alert.ts';
import { basicAuth, httpDestination, join } from '../forward/destination.ts';
import { choice, flag, list, map, secret, text } from '../forward/option.ts';

export const loki = httpDestination({
  name: 'loki',
  label: 'loki',
  group: 'logs',
  doc: 'Log lines in Grafana Loki.',
  options: {
    hostport: text('URL of the server; turns the output on.'),
    user: text('A user.'),
    apikey: secret("The user's key."),
    tenant: text('The tenant.'),
    format: choice('The line: the output, or the whole alert.', ['text', 'json'], 'text'),
    endpoint: text('The path of the API.', '/loki/api/v1/push'),
    extralabels: list('Output fields that become labels too.'),
    podlabel: flag('Make the pod a label, as Falcosidekick does; each pod is then a stream of its own.', true),
    structuredmetadata: flag('Send all output fields as structured metadata (Loki 2.9 and later).'),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.hostport !== '',
  batch: () => ({ count: 1000, bytes: 2_000_000, linger: 0 }),
  request(alerts, o, environment) {
    const named = [...o.extralabels, ...environment.customfields, ...environment.templatedfields];
    const streams = new Map<string, { stream: Record<string, string>; values: unknown[][] }>();
    for (const alert of alerts) {
      const stream = labelsOf(alert, named, o.podlabel);
      const key = JSON.stringify(stream);
      const found = streams.get(key) ?? { stream, values: [] };
      streams.set(key, found);
      const line: unknown[] = [String(alert.nanoseconds), o.format === 'json' ? toJson(alert) : alert.output];
      if (o.structuredmetadata)
        line.push(Object.fromEntries(fieldTexts(alert).map(([name, value]) => [labelName(name), value])));
      found.values.push(line);
    }
    return {
      url: join(o.hostport, o.endpoint),
      headers: {
        'Content-Type': 'application/json',
        ...basicAuth(o.user, o.apikey),
        ...(o.tenant !== '' && { 'X-Scope-OrgID': o.tenant }),
        ...o.customheaders,
      },
      body: JSON.stringify({ streams: [...streams.values()] }),
    };
  },
  probe: (o) => ({ method: 'GET', url: join(o.hostport, '/ready') }),
});

function labelsOf(alert: Alert, named: readonly string[], withPod: boolean): Record<string, string> {
  const fields = ['k8s.ns.name', ...(withPod ? ['k8s.pod.name'] : []), ...named];
  const labels = Object.fromEntries(
    fields
      .map((name): [string, string] => [labelName(name), textOf(alert.fields[name])])
      .filter(([, value]) => value !== ''),
  );
  return {
    ...labels,
    rule: alert.rule,
    source: alert.source,
    priority: alert.priority,
    ...(alert.hostname !== '' && { hostname: alert.hostname }),
    ...(alert.tags.length > 0 && { tags: alert.tags.join(',') }),
  };
}

function labelName(name: string): string {
  return name.replace(/\]/g, '').replace(/[^a-zA-Z0-9_]/g, '_');
}
