import { textOf } from '../../forward/alert.ts';
import { destination } from '../../forward/destination.ts';
import { choice, list } from '../../forward/option.ts';
import { attribute, RESOURCE } from './message.ts';
import { otlpTransport, transportOptions } from './transport.ts';

/** "Cumulative" (metrics.proto, AggregationTemporality). */
const CUMULATIVE = 2;
const FLUSH = 5000;

export const otlpMetrics = destination({
  name: 'otlp.metrics',
  label: 'otlpmetrics',
  group: 'metrics',
  doc: 'The counter `falcosecurity_falco_rules_matches_total` over OpenTelemetry.',
  options: {
    ...transportOptions,
    // Falcosidekick's default, for this signal alone.
    protocol: choice('The encoding.', ['grpc', 'http/protobuf', 'http/json'], 'grpc'),
    extraattributes: list('Output fields that become attributes.'),
  },
  enabled: (o) => o.endpoint !== '',
  batch: () => ({ count: 1000, bytes: Number.POSITIVE_INFINITY, linger: FLUSH }),
  open(o, environment) {
    const transport = otlpTransport('metrics', o, environment);
    const started = String(BigInt(environment.now()) * 1_000_000n);
    const named = [
      'k8s.ns.name',
      'k8s.pod.name',
      ...environment.customfields,
      ...environment.templatedfields,
      ...o.extraattributes,
    ];
    const counts = new Map<string, { labels: [string, string][]; count: number }>();
    /** Alerts that were counted by a delivery which then failed: its repetition must not count them again. */
    let counted = new Set<string>();
    return {
      close: transport.close,
      async send(alerts) {
        for (const alert of alerts) {
          if (counted.has(alert.uuid)) continue;
          counted.add(alert.uuid);
          const labels: [string, string][] = [
            ['source', alert.source],
            ['priority', alert.priority],
            ['rule', alert.rule],
            ['hostname', alert.hostname],
            ['tags', alert.tags.join(',')],
            ...named.map((name): [string, string] => [name.replace(/\W/g, '_'), textOf(alert.fields[name])]),
          ].filter((label): label is [string, string] => label[1] !== '');
          const key = JSON.stringify(labels);
          const found = counts.get(key) ?? { labels, count: 0 };
          found.count++;
          counts.set(key, found);
        }
        const timeUnixNano = String(BigInt(environment.now()) * 1_000_000n);
        const dataPoints = [...counts.values()].map(({ labels, count }) => ({
          startTimeUnixNano: started,
          timeUnixNano,
          asInt: String(count),
          attributes: labels.map(([name, value]) => attribute(name, value)),
        }));
        const sum = { dataPoints, aggregationTemporality: CUMULATIVE, isMonotonic: true };
        const metrics = [
          { name: 'falcosecurity_falco_rules_matches_total', description: 'Number of times rules match', sum },
        ];
        await transport.send({
          resourceMetrics: [{ resource: RESOURCE, scopeMetrics: [{ scope: { name: 'falco' }, metrics }] }],
        });
        counted = new Set();
        return undefined;
      },
    };
  },
});
