import { type Alert, fieldTexts } from '../../forward/alert.ts';
import { destination } from '../../forward/destination.ts';
import { attribute, RESOURCE } from './message.ts';
import { spanIdOf, traceIdOf } from './trace-id.ts';
import { otlpTransport, transportOptions } from './transport.ts';

/** OpenTelemetry's severity numbers (Logs Data Model, "SeverityNumber"). */
const SEVERITY = [24, 22, 21, 17, 13, 10, 9, 5] as const;

export const otlpLogs = destination({
  name: 'otlp.logs',
  label: 'otlplogs',
  group: 'logs',
  doc: "OpenTelemetry log records, with the alert's own time and severity and all output fields.",
  options: transportOptions,
  enabled: (o) => o.endpoint !== '',
  batch: () => ({ count: 500, bytes: 2_000_000, linger: 0 }),
  open(o, environment) {
    const { send, close } = otlpTransport('logs', o, environment);
    return {
      close,
      send: async (alerts) => {
        await send({
          resourceLogs: [
            { resource: RESOURCE, scopeLogs: [{ scope: { name: 'falco' }, logRecords: alerts.map(record) }] },
          ],
        });
        return undefined;
      },
    };
  },
});

function record(alert: Alert) {
  return {
    timeUnixNano: String(alert.nanoseconds),
    observedTimeUnixNano: String(BigInt(alert.received) * 1_000_000n),
    severityNumber: SEVERITY[alert.level],
    severityText: alert.priority,
    body: { stringValue: alert.output },
    attributes: [
      attribute('uuid', alert.uuid),
      attribute('priority', alert.priority),
      attribute('source', alert.source),
      attribute('rule', alert.rule),
      attribute('hostname', alert.hostname),
      attribute('tags', alert.tags.join(',')),
      ...fieldTexts(alert).map(([name, value]) => attribute(name, value)),
    ],
    traceId: traceIdOf(alert),
    spanId: spanIdOf(alert),
  };
}
