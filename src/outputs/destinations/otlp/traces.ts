import { type Alert, fieldTexts } from '../../forward/alert.ts';
import { destination } from '../../forward/destination.ts';
import { integer } from '../../forward/option.ts';
import { attribute, RESOURCE } from './message.ts';
import { spanIdOf, traceIdOf } from './trace-id.ts';
import { otlpTransport, transportOptions } from './transport.ts';

/** Span kind "server", as Falcosidekick sends it. */
const KIND = 2;

export const otlpTraces = destination({
  name: 'otlp.traces',
  label: 'otlptraces',
  group: 'tracing',
  doc: 'A span for each alert; those of one pod, container or host belong to one trace.',
  options: { ...transportOptions, duration: integer('How long the span lasts, milliseconds.', 1000) },
  enabled: (o) => o.endpoint !== '',
  batch: () => ({ count: 500, bytes: 2_000_000, linger: 0 }),
  open(o, environment) {
    const { send, close } = otlpTransport('traces', o, environment);
    return {
      close,
      send: async (alerts) => {
        const spans = alerts.map((alert) => span(alert, o.duration));
        await send({
          resourceSpans: [{ resource: RESOURCE, scopeSpans: [{ scope: { name: 'falco-event' }, spans }] }],
        });
        return undefined;
      },
    };
  },
});

function span(alert: Alert, duration: number) {
  const start = alert.nanoseconds;
  return {
    traceId: traceIdOf(alert),
    spanId: spanIdOf(alert),
    name: alert.rule,
    kind: KIND,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(start + BigInt(duration) * 1_000_000n),
    attributes: [
      attribute('uuid', alert.uuid),
      attribute('source', alert.source),
      attribute('priority', alert.priority),
      attribute('rule', alert.rule),
      attribute('hostname', alert.hostname),
      attribute('tags', alert.tags),
      ...fieldTexts(alert).map(([name, value]) => attribute(name, value)),
    ],
    events: [{ timeUnixNano: String(start), name: alert.output }],
  };
}
