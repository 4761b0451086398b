import { type Alert, fieldTexts, goTime } from '../forward/alert.ts';
import { cut, destination } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { choice, flag, list, secret, text } from '../forward/option.ts';
import { COLOURS, NAME } from './message.ts';

export const smtp = destination({
  name: 'smtp',
  label: 'smtp',
  group: 'email',
  doc: 'Mails through an SMTP server.',
  options: {
    hostport: text('`host:port` of the server; turns the output on.'),
    tls: flag('Use TLS (STARTTLS; at once on port 465).', true),
    authmechanism: choice('How to authenticate.', ['plain', 'oauthbearer', 'external', 'anonymous', 'none'], 'plain'),
    user: text('A user.'),
    password: secret("The user's password."),
    token: secret('A token (oauthbearer).'),
    identity: text('Accepted: the identity of the PLAIN mechanism.'),
    trace: text('Accepted: the trace of the ANONYMOUS mechanism.'),
    from: text('The sender.'),
    to: list('The receivers.'),
    outputformat: choice('The body.', ['html', 'text'], 'html'),
  },
  enabled: (o) => o.hostport !== '',
  async open(o, { tls, timeout }) {
    const { createTransport } = await import('nodemailer');
    const at = o.hostport.lastIndexOf(':');
    const port = at === -1 ? 25 : Number(o.hostport.slice(at + 1));
    const auth =
      o.authmechanism === 'plain' && o.user !== ''
        ? { user: o.user, pass: o.password }
        : o.authmechanism === 'oauthbearer'
          ? { type: 'OAuth2' as const, user: o.user, accessToken: o.token }
          : undefined;
    const transport = createTransport({
      host: at === -1 ? o.hostport : o.hostport.slice(0, at),
      port,
      pool: true,
      maxConnections: 1,
      secure: o.tls && port === 465,
      requireTLS: o.tls && port !== 465,
      ignoreTLS: !o.tls,
      tls: { rejectUnauthorized: tls.checkCertificate, ca: tls.ca, cert: tls.cert, key: tls.key },
      ...(auth !== undefined && { auth }),
      connectionTimeout: timeout,
      greetingTimeout: timeout,
      socketTimeout: timeout,
      disableFileAccess: true,
      disableUrlAccess: true,
    });
    return {
      async send([alert]) {
        try {
          await transport.sendMail({
            from: o.from,
            to: [...o.to],
            // A header holds no line break, whatever the alert says.
            subject: cut(`[${alert.priority}] ${alert.output}`.replace(/[\p{Cc}\u2028\u2029]+/gu, ' '), 200),
            messageId: `<${alert.uuid}@windhover>`,
            date: new Date(Number(alert.nanoseconds / 1_000_000n)),
            text: plain(alert),
            ...(o.outputformat === 'html' && { html: html(alert) }),
          });
        } catch (error) {
          const { responseCode, message } = error as { responseCode?: number; message: string };
          // 4xx: later; 5xx: never (RFC 5321, 4.2.1).
          throw new DeliveryError(message, { retry: responseCode === undefined || responseCode < 500, cause: error });
        }
      },
      async check() {
        await transport.verify();
      },
      close: () => transport.close(),
    };
  },
});

function lines(alert: Alert): [string, string][] {
  return [
    ['Priority', alert.priority],
    ['Rule', alert.rule],
    ['Source', alert.source],
    ['Hostname', alert.hostname],
    ['Time', goTime(alert)],
    ['Tags', alert.tags.join(', ')],
    ...fieldTexts(alert),
  ].filter((line): line is [string, string] => line[1] !== '');
}

function plain(alert: Alert): string {
  return `${alert.output}\n\n${lines(alert)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n')}\n\n-- \n${NAME}\n`;
}

function html(alert: Alert): string {
  const escaped = (value: string) =>
    value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
  const rows = lines(alert).map(
    ([name, value]) => `<tr><th align="left" valign="top">${escaped(name)}</th><td>${escaped(value)}</td></tr>`,
  );
  return `<!doctype html><html><body style="font-family:sans-serif"><p style="border-left:6px solid ${COLOURS[alert.level]};padding-left:8px">${escaped(alert.output)}</p><table cellpadding="4">${rows.join('')}</table></body></html>`;
}
