import { toObject } from '../forward/alert.ts';
import { destination } from '../forward/destination.ts';
import { flag, integer, list, text } from '../forward/option.ts';
import { keptConnection } from './socket.ts';

export const logstash = destination({
  name: 'logstash',
  label: 'logstash',
  group: 'logs',
  doc: 'JSON lines to Logstash over TCP or TLS (input `tcp` with codec `json_lines`).',
  options: {
    address: text('The host; turns the output on.'),
    port: integer('The port.', 5044),
    tls: flag('Use TLS.'),
    tags: list('Tags that every alert gets.'),
    certfile: text('The certificate for `mutualtls`, instead of the one of `mutualtlsclient`.'),
    keyfile: text('The key for `mutualtls`, instead of the one of `mutualtlsclient`.'),
    cacertfile: text("The CA of the server's certificate, instead of the one of `tlsclient`."),
  },
  enabled: (o) => o.address !== '',
  batch: () => ({ count: 200, bytes: 1_000_000, linger: 0 }),
  open(o, { tls, timeout }) {
    const line = keptConnection(o.address, o.port, o.tls ? tls : null, timeout);
    return {
      async send(alerts) {
        const lines = alerts.map((alert) => {
          // Logstash reads `a[1]` as a path.
          const fields = Object.fromEntries(
            Object.entries(alert.fields).map(([name, value]) => [name.replace(/\[(\w+)\]/g, '.$1'), value]),
          );
          const tags = [...alert.tags, ...o.tags];
          return `${JSON.stringify({ ...toObject(alert), output_fields: fields, ...(tags.length > 0 && { tags }), '@timestamp': alert.time })}\n`;
        });
        await line.write(lines.join(''));
      },
      close: () => line.close(),
    };
  },
});
