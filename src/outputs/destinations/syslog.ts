import { createSocket } from 'node:dgram';
import type { Alert } from '../forward/alert.ts';
import { destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { choice, flag, integer, text } from '../forward/option.ts';
import { body } from './format/index.ts';
import { keptConnection } from './socket.ts';

/** Facility 10 (security) would be truer; 1 (user) is what Falcosidekick's receivers filter on. */
const FACILITY = 1;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

export const syslog = destination({
  name: 'syslog',
  label: 'syslog',
  group: 'logs',
  doc: 'Syslog messages over UDP, TCP or TLS, on one connection.',
  options: {
    host: text('The host; turns the output on, with the port.'),
    port: integer('The port.', 0),
    protocol: choice('How messages travel.', ['tcp', 'udp', 'tls'], 'tcp'),
    format: choice('What a message holds.', ['json', 'cef', 'ocsf', 'ecs', 'text'], 'json'),
    rfc: choice('The header: RFC 3164 (as Falcosidekick) or RFC 5424.', ['3164', '5424'], '3164'),
    octetcounting: flag('Frame messages by their length (RFC 6587) instead of a line break; always so over TLS.'),
  },
  enabled: (o) => o.host !== '' && o.port !== 0,
  batch: (o) =>
    o.protocol === 'udp' ? { count: 64, bytes: 500_000, linger: 0 } : { count: 200, bytes: 500_000, linger: 0 },
  open(o, { tls, timeout }) {
    const render = (alert: Alert) => body(o.format, alert);
    const message = (alert: Alert) =>
      o.rfc === '5424' ? rfc5424(alert, render(alert)) : rfc3164(alert, render(alert));
    if (o.protocol === 'udp') {
      const socket = createSocket(o.host.includes(':') ? 'udp6' : 'udp4');
      socket.unref();
      return {
        async send(alerts) {
          for (const alert of alerts) {
            await new Promise<void>((resolve, reject) =>
              socket.send(message(alert), o.port, o.host, (error) =>
                error === null
                  ? resolve()
                  : reject(
                      new DeliveryError(error.message, {
                        retry: (error as NodeJS.ErrnoException).code !== 'EMSGSIZE',
                        cause: error,
                      }),
                    ),
              ),
            );
          }
        },
        close() {
          socket.close();
        },
      };
    }
    const line = keptConnection(o.host, o.port, o.protocol === 'tls' ? tls : null, timeout);
    const counted = o.octetcounting || o.protocol === 'tls';
    return {
      async send(alerts) {
        const frames = alerts.map((alert) => {
          const text = message(alert);
          return counted ? `${Buffer.byteLength(text)} ${text}` : `${text.replaceAll('\n', ' ')}\n`;
        });
        await line.write(frames.join(''));
      },
      close: () => line.close(),
    };
  },
});

function header(alert: Alert): string {
  return `<${FACILITY * 8 + alert.level}>`;
}

/** A host name that cannot break the header. */
function hostOf(alert: Alert): string {
  return alert.hostname.replace(/[^\x21-\x7e]/g, '').slice(0, 255) || '-';
}

/** `<13>Jan  2 15:04:05 host Falco[1]: …` in UTC. */
function rfc3164(alert: Alert, text: string): string {
  const date = new Date(Number(alert.nanoseconds / 1_000_000n));
  const day = String(date.getUTCDate()).padStart(2, ' ');
  return `${header(alert)}${MONTHS[date.getUTCMonth()]} ${day} ${date.toISOString().slice(11, 19)} ${hostOf(alert)} Falco[${process.pid}]: ${text}`;
}

/** RFC 5424 with the alert's identity as structured data. */
function rfc5424(alert: Alert, text: string): string {
  const value = (content: string) => content.replace(/["\\\]]/g, '\\$&');
  const time =
    new Date(Number(alert.nanoseconds / 1_000_000n)).toISOString().slice(0, 20) +
    String(alert.nanoseconds % 1_000_000_000n)
      .padStart(9, '0')
      .slice(0, 6);
  const data = `[alert@32473 uuid="${alert.uuid}" rule="${value(alert.rule)}" priority="${alert.priority}" source="${value(alert.source)}"]`;
  return `${header(alert)}1 ${time}Z ${hostOf(alert)} Falco ${process.pid} - ${data} ${text}`;
}
