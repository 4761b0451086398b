import { connect } from 'node:net';
import { type Alert, fieldTexts } from '../forward/alert.ts';
import { destination } from '../forward/destination.ts';
import { choice, integer, secret, text } from '../forward/option.ts';
import { writeOnce } from './socket.ts';

export const wavefront = destination({
  name: 'wavefront',
  label: 'wavefront',
  group: 'metrics',
  doc: 'A point for each alert in Wavefront (Tanzu Observability), directly or through its proxy.',
  options: {
    endpointtype: choice('`direct` (HTTPS) or `proxy` (TCP); empty: off.', ['', 'direct', 'proxy'], ''),
    endpointhost: text('The host; turns the output on.'),
    endpointtoken: secret('The token (direct).'),
    endpointmetricport: integer('The port (proxy).', 2878),
    metricname: text('The name of the metric.', 'falco.alert'),
    batchsize: integer('Most points in one delivery.', 10_000),
    flushintervalseconds: integer('How long a point may wait for others.', 1),
  },
  enabled: (o) => o.endpointtype !== '' && o.endpointhost !== '',
  batch: (o) => ({ count: o.batchsize, bytes: 2_000_000, linger: o.flushintervalseconds * 1000 }),
  open: (o, { http, timeout }) => ({
    async send(alerts) {
      const body = alerts.map((alert) => point(alert, o.metricname)).join('');
      if (o.endpointtype === 'proxy') {
        await writeOnce(() => connect(o.endpointmetricport, o.endpointhost), body, timeout);
        return;
      }
      const base = o.endpointhost.includes('://') ? o.endpointhost : `https://${o.endpointhost}`;
      await http.send({
        url: `${base}/report?f=wavefront`,
        headers: { Authorization: `Bearer ${o.endpointtoken}`, 'Content-Type': 'text/plain' },
        body,
      });
    },
  }),
});

/** `name value seconds source=host tag="value" …` (Wavefront data format). */
function point(alert: Alert, metric: string): string {
  const quote = (value: string) =>
    `"${value
      .replace(/[\r\n]+/g, ' ')
      .replace(/["\\]/g, '\\$&')
      .slice(0, 200)}"`;
  const tags = [
    ['rule', alert.rule],
    ['severity', alert.priority],
    ['eventsource', alert.source],
    ...fieldTexts(alert),
  ].filter(([, value]) => value !== '');
  const written = tags.map(([name, value]) => `${name.replace(/[^\w.-]/g, '_')}=${quote(value)}`);
  return `${metric} 1 ${alert.nanoseconds / 1_000_000_000n} source=${quote(alert.hostname || 'falco')} ${written.join(' ')}\n`;
}
