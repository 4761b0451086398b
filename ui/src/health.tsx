import type { HealthDetail, Json, ReportRow } from '../../src/server/api.ts';
import { call } from './client.ts';
import { DestinationCells, DestinationTitles, destinationsOf, replayDeadLetters } from './destinations.tsx';
import { ago, bytes, number, stamp, text, visible } from './format.ts';
import { Empty, Failure, OUTCOMES, Share, useLoad, When } from './parts.tsx';
import { may } from './session.ts';
import { arrivals } from './stream.ts';

/** A report older than this is of somebody who may be gone, in milliseconds. */
const SILENT = 120_000;

function Freshness({ time, error = '' }: { time: number; error?: string }) {
  const late = error !== '' || Date.now() - time > SILENT;
  return (
    <span class={`tagged ${late ? 'bad' : 'good'}`} title={`${stamp(time)}${error === '' ? '' : ` · ${error}`}`}>
      {late ? `silent for ${ago(time).replace(' ago', '')}` : 'reporting'}
    </span>
  );
}

/** A state that is an error's text when there is one. */
function Answering({ report }: { report: ReportRow }) {
  const error = text(report.body.error);
  if (error === '') return <Freshness time={report.time} />;
  return <span class="tagged bad">{visible(error)}</span>;
}

/** What was lost, by reason, as a tooltip. */
function lost(by: Json | undefined): string {
  if (by === null || typeof by !== 'object' || Array.isArray(by)) return 'No event was lost';
  const reasons = Object.entries(by).map(([reason, n]) => `${reason.replaceAll('_', ' ')}: ${text(n)}`);
  return reasons.length === 0 ? 'No event was lost' : reasons.join('\n');
}

const numberOf = (value: Json | undefined): number | null => (typeof value === 'number' ? value : null);

function Sensors({ reports, hosts }: { reports: readonly ReportRow[]; hosts: HealthDetail['hosts'] }) {
  const sensors = reports.filter((report) => report.kind === 'sensor');
  const quiet = hosts.filter((host) => !sensors.some((sensor) => sensor.name === host.name));
  return (
    <section class="block" aria-label="Sensors">
      <h2>Sensors</h2>
      {sensors.length + quiet.length === 0 ? (
        <p>
          No sensor has sent an alert or a report yet. Point one at this hub: <code>windhover up</code> on one host, or{' '}
          <code>http_output.url</code> with a token from <a href="/settings?tab=tokens">Settings</a>.
        </p>
      ) : (
        <table class="table">
          <thead>
            <tr>
              <th>Host</th>
              <th>State</th>
              <th>Version</th>
              <th>Kernel</th>
              <th class="right">Events/s</th>
              <th class="right">Events</th>
              <th class="right">Dropped</th>
              <th class="right">CPU</th>
              <th class="right">Memory</th>
              <th class="right">Alerts, 24 h</th>
              <th class="right">Last alert</th>
            </tr>
          </thead>
          <tbody>
            {sensors.map((sensor) => {
              const host = hosts.find((one) => one.name === sensor.name);
              const { body } = sensor;
              const [drops, rate, events] = [
                numberOf(body.drops),
                numberOf(body.events_per_second),
                numberOf(body.events),
              ];
              const [cpu, memory] = [numberOf(body.cpu), numberOf(body.memory)];
              return (
                <tr key={sensor.name}>
                  <td>
                    <b>{visible(sensor.name)}</b>
                  </td>
                  <td>
                    {/* One that has never answered has nothing but its error. */}
                    {text(body.version) === '' ? (
                      <Answering report={sensor} />
                    ) : (
                      <Freshness time={sensor.time} error={text(body.error)} />
                    )}
                  </td>
                  <td>{text(body.version)}</td>
                  <td>{text(body.kernel)}</td>
                  <td class="right">{rate === null ? '–' : number(rate)}</td>
                  <td class="right">{events === null ? '–' : number(events)}</td>
                  <td class="right" title={lost(body.dropped_by)}>
                    {drops === null ? '–' : <span class={drops > 0 ? 'bad' : ''}>{number(drops)}</span>}
                  </td>
                  <td class="right">{cpu === null ? '–' : `${(cpu * 100).toFixed(1)} %`}</td>
                  <td class="right">{memory === null ? '–' : bytes(memory)}</td>
                  <td class="right">{number(host?.day ?? 0)}</td>
                  <td class="right tight">{host === undefined ? '–' : <When time={host.lastSeen} />}</td>
                </tr>
              );
            })}
            {quiet.map((host) => (
              <tr key={host.name}>
                <td>
                  <b>{visible(host.name)}</b>
                </td>
                <td>
                  <span
                    class="tagged"
                    title="It sends alerts, but the hub does not ask it for its metrics: start the hub with --sensor URL"
                  >
                    alerts only
                  </span>
                </td>
                <td colSpan={7} class="faint">
                  {' '}
                </td>
                <td class="right">{number(host.day)}</td>
                <td class="right tight">
                  <When time={host.lastSeen} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

/** Rules shown at most, the dearest first. */
const RULES_SHOWN = 12;

/** What judging each rule costs, over all sensors. */
function Costs({ rules }: { rules: HealthDetail['rules'] }) {
  const all = rules.reduce((sum, rule) => sum + rule.nanoseconds, 0);
  return (
    <section class="block" aria-label="What rules cost">
      <h2>What rules cost</h2>
      {rules.length === 0 ? (
        <p>No sensor has said so yet: the hub reads it from their metrics.</p>
      ) : (
        <>
          <p>
            Most events are dismissed before any rule is judged whole; these are the ones that were not. Times are
            estimated from samples.
          </p>
          <table class="table">
            <thead>
              <tr>
                <th>Rule</th>
                <th class="right">Judged</th>
                <th class="right">Mean</th>
                <th class="right">In all</th>
                <th>Share</th>
                <th class="right">Alerts</th>
              </tr>
            </thead>
            <tbody>
              {rules.slice(0, RULES_SHOWN).map(({ name, evaluations, nanoseconds, matches }) => (
                <tr key={name}>
                  <td>
                    <a href={`/rules?rule=${encodeURIComponent(name)}`}>{visible(name)}</a>
                  </td>
                  <td class="right">{number(evaluations)}</td>
                  <td class="right">
                    {nanoseconds === 0 || evaluations === 0
                      ? '–'
                      : `${number(Math.round(nanoseconds / evaluations))} ns`}
                  </td>
                  <td class="right">{nanoseconds === 0 ? '–' : `${(nanoseconds / 1e6).toFixed(1)} ms`}</td>
                  <td>
                    <Share part={all === 0 ? 0 : nanoseconds / all} of="the time of all rules" />
                  </td>
                  <td class="right">{number(matches)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {rules.length > RULES_SHOWN ? (
            <p class="faint">
              {rules.length - RULES_SHOWN} more under <a href="/rules">Rules</a>
            </p>
          ) : null}
        </>
      )}
    </section>
  );
}

function Responders({ reports }: { reports: readonly ReportRow[] }) {
  const responders = reports.filter((report) => report.kind === 'responder');
  return (
    <section class="block" aria-label="Responding">
      <h2>Responding</h2>
      {responders.length === 0 ? (
        <p>
          The hub knows no responder. Start it with <code>--responder URL</code>; <code>windhover up</code> brings one.
        </p>
      ) : (
        <table class="table">
          <thead>
            <tr>
              <th>Responder</th>
              <th>State</th>
              <th>Version</th>
              <th class="right">Rules</th>
              <th>Actions</th>
            </tr>
          </thead>
          <tbody>
            {responders.map((responder) => {
              const { actions } = responder.body;
              const counts = actions !== null && typeof actions === 'object' ? Object.entries(actions) : [];
              return (
                <tr key={responder.name}>
                  <td>
                    <b>{visible(text(responder.body.hostname) || responder.name)}</b>
                  </td>
                  <td>
                    <Answering report={responder} />
                  </td>
                  <td>{text(responder.body.version)}</td>
                  <td class="right">{text(responder.body.response_rules)}</td>
                  <td class="soft">
                    {counts.length === 0
                      ? 'none yet'
                      : counts.map(([state, n]) => `${text(n)} ${OUTCOMES[state]?.[0] ?? state}`).join(', ')}
                    {responder.body.dryRun === true ? ' (dry run only)' : ''}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Forwarders({ reports, reload }: { reports: readonly ReportRow[]; reload: () => void }) {
  const forwarders = reports.filter((report) => report.kind === 'forwarder');
  return (
    <section class="block" aria-label="Forwarding">
      <h2>Forwarding</h2>
      {forwarders.length === 0 ? (
        <p>
          The hub knows no forwarder. Start it with <code>--forwarder URL</code>, and the queue of each destination
          stands here: what waits, how it goes, its dead letters.
        </p>
      ) : (
        <table class="table">
          <thead>
            <tr>
              <th>Forwarder</th>
              <th>Destination</th>
              <DestinationTitles />
            </tr>
          </thead>
          <tbody>
            {forwarders.map((forwarder) => {
              const rows = destinationsOf(forwarder);
              if (rows.length === 0) {
                return (
                  <tr key={forwarder.name}>
                    <td>
                      <b>{visible(forwarder.name)}</b>
                    </td>
                    <td />
                    <td colSpan={5}>
                      <Answering report={forwarder} />
                    </td>
                  </tr>
                );
              }
              return rows.map((row, i) => (
                <tr key={`${forwarder.name} ${row.name}`}>
                  <td>{i === 0 ? <b>{visible(forwarder.name)}</b> : null}</td>
                  <td>{visible(row.name)}</td>
                  <DestinationCells destination={row} />
                  <td class="right">{row.dead > 0 ? <b class="bad">{number(row.dead)}</b> : 0}</td>
                  <td class="right tight">
                    {row.dead > 0 && forwarder.body.replay === true && may('analyst') ? (
                      <button
                        type="button"
                        class="button small"
                        onClick={() => void replayDeadLetters(forwarder.name, row.name).then(reload)}
                      >
                        Deliver again
                      </button>
                    ) : null}
                  </td>
                </tr>
              ));
            })}
          </tbody>
        </table>
      )}
    </section>
  );
}

export function HealthPage() {
  const { data, error, reload } = useLoad(`health ${arrivals.value}`, (signal) => call('GET /api/health', { signal }));
  return (
    <>
      <header class="head">
        <h1 class="grow">Health</h1>
        <button type="button" class="button" onClick={reload}>
          Refresh
        </button>
      </header>
      <div class="page">
        {error === null ? null : <Failure error={error} retry={reload} />}
        {data === null ? (
          error === null ? null : (
            <Empty title="Nothing to show" icon="health">
              The hub did not answer.
            </Empty>
          )
        ) : (
          <div class="content">
            <section class="block">
              <h2>Store</h2>
              <dl class="figures">
                <div>
                  <dt>Alerts</dt>
                  <dd>{number(data.store.alerts)}</dd>
                </div>
                <div>
                  <dt>Groups</dt>
                  <dd>{number(data.store.groups)}</dd>
                </div>
                <div>
                  <dt>On disk</dt>
                  <dd>
                    {bytes(data.store.bytes)}{' '}
                    <small>
                      {data.store.alerts > 10_000
                        ? `${number(Math.round(data.store.bytes / data.store.alerts))} B each`
                        : ''}
                    </small>
                  </dd>
                </div>
                <div>
                  <dt>Arriving</dt>
                  <dd>
                    {data.store.ingestedPerSecond.toFixed(1)} <small>alerts/s</small>
                  </dd>
                </div>
                <div>
                  <dt>Oldest alert</dt>
                  <dd>{data.store.oldest === null ? '–' : ago(data.store.oldest)}</dd>
                </div>
                <div>
                  <dt>Kept for</dt>
                  <dd>
                    {data.retention.days === null ? 'ever' : `${data.retention.days} d`}{' '}
                    <small>
                      {data.retention.gigabytes === null ? 'any size' : `up to ${data.retention.gigabytes} GB`}
                    </small>
                  </dd>
                </div>
                <div>
                  <dt>Database</dt>
                  <dd>{data.store.kind === 'sqlite' ? 'SQLite' : 'PostgreSQL'}</dd>
                </div>
                <div>
                  <dt>Memory of the hub</dt>
                  <dd>{bytes(data.store.rss)}</dd>
                </div>
              </dl>
            </section>
            <Sensors reports={data.reports} hosts={data.hosts} />
            <Costs rules={data.rules} />
            <Forwarders reports={data.reports} reload={reload} />
            <Responders reports={data.reports} />
            <p class="faint">
              Windhover {data.version}, up since {stamp(data.started)}
            </p>
          </div>
        )}
      </div>
    </>
  );
}
