import { type Alert, isRawNumber, rfc3339, textOf } from '../forward/alert.ts';
import { destination, JSON_HEADERS, join } from '../forward/destination.ts';
import { DeliveryError } from '../forward/error.ts';
import { integer, list, map, text } from '../forward/option.ts';

const SEVERITY: Record<string, string> = {
  emergency: 'critical',
  alert: 'critical',
  critical: 'critical',
  error: 'warning',
  warning: 'warning',
  notice: 'information',
  informational: 'information',
  debug: 'information',
};
/** The rule under which Falco reports events that the kernel could not hand over. */
const DROP_RULE = 'Falco internal: syscall event drop';

export const alertmanager = destination({
  name: 'alertmanager',
  label: 'alertmanager',
  group: 'alerting',
  doc: 'Alerts in Prometheus Alertmanager. Several addresses are one cluster: each alert goes to all of them.',
  options: {
    hostport: list('URLs of the servers; turns the output on.'),
    endpoint: text('The path of the API.', '/api/v2/alerts'),
    expiresafter: integer('Seconds until the alert counts as resolved; 0: as the server decides.', 0),
    extralabels: map('Labels that every alert gets.'),
    extraannotations: map('Annotations that every alert gets.'),
    customseveritymap: map('`severity` by priority, instead of the usual ones.'),
    dropeventdefaultpriority: text('Severity of a report of dropped events.', 'critical'),
    dropeventthresholds: text(
      '`count:priority` pairs: the severity of a report of that many dropped events or more.',
      '10000:critical, 1000:critical, 100:critical, 10:warning, 1:warning',
    ),
    customheaders: map('Further HTTP headers.'),
  },
  enabled: (o) => o.hostport.length > 0,
  batch: () => ({ count: 64, bytes: 1_000_000, linger: 0 }),
  open(o, { http }) {
    const severities = {
      ...SEVERITY,
      ...Object.fromEntries(
        Object.entries(o.customseveritymap).map(([priority, severity]) => [priority.toLowerCase(), severity]),
      ),
    };
    const thresholds = o.dropeventthresholds
      .split(',')
      .map((pair) => pair.trim().split(':'))
      .map(([count, priority]) => ({ count: Number(count), priority: priority ?? '' }))
      .sort((a, b) => b.count - a.count);

    function severityOf(alert: Alert): string {
      if (alert.rule !== DROP_RULE) return severities[alert.priority.toLowerCase()];
      const dropped = Number(textOf(alert.fields.n_drops ?? alert.fields.n_evts));
      const priority = thresholds.find(({ count }) => dropped >= count)?.priority ?? o.dropeventdefaultpriority;
      return severities[priority.toLowerCase()] ?? priority;
    }

    function payload(alert: Alert): Record<string, unknown> {
      const labels: Record<string, string> = {};
      for (const [name, value] of Object.entries(alert.fields)) {
        if (typeof value === 'string' || typeof value === 'number' || (value !== null && isRawNumber(value))) {
          const text = textOf(value);
          if (text !== '') labels[labelName(name)] = text;
        }
      }
      Object.assign(labels, {
        alertname: alert.rule,
        rule: alert.rule,
        source: 'falco',
        eventsource: alert.source,
        priority: alert.priority,
        severity: severityOf(alert),
        ...(alert.hostname !== '' && { hostname: alert.hostname }),
        ...(alert.tags.length > 0 && { tags: alert.tags.join(',') }),
        ...Object.fromEntries(Object.entries(o.extralabels).map(([name, value]) => [labelName(name), value])),
      });
      return {
        labels,
        annotations: { info: alert.output, description: alert.output, summary: alert.rule, ...o.extraannotations },
        startsAt: rfc3339(alert.nanoseconds),
        ...(o.expiresafter > 0 && { endsAt: rfc3339(alert.nanoseconds + BigInt(o.expiresafter) * 1_000_000_000n) }),
      };
    }

    return {
      async send(alerts) {
        const body = JSON.stringify(alerts.map(payload));
        const answers = await Promise.allSettled(
          o.hostport.map((base) =>
            http.send({ url: join(base, o.endpoint), headers: { ...JSON_HEADERS, ...o.customheaders }, body }),
          ),
        );
        // One member of the cluster is enough: they tell each other.
        if (answers.some(({ status }) => status === 'fulfilled')) return;
        throw (
          (answers[0] as PromiseRejectedResult | undefined)?.reason ?? new DeliveryError('no address', { retry: false })
        );
      },
      async check() {
        await Promise.any(o.hostport.map((base) => http.send({ method: 'GET', url: join(base, '/-/ready') })));
      },
    };
  },
});

/** `proc.aname[2]` → `proc_aname_2`. */
function labelName(name: string): string {
  return name
    .replace(/\]/g, '')
    .replace(/[^a-zA-Z0-9_]/g, '_')
    .replace(/^(?=\d)/, '_');
}
