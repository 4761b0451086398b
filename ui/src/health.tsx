import type { HealthDetail, Json, ReportRow } from '../../src/server/api.ts';
import { call } from './client.ts';
import { ago, bytes, number, stamp, text, visible } from './format.ts';
import { Empty, Failure, messageOf, useLoad, When } from './parts.tsx';
import { may } from './session.ts';
import { arrivals } from './stream.ts';
import { say } from './toast.tsx';

/** A report older than this is of somebody who may be gone, in milliseconds. */
const SILENT = 120_000;

function Freshness({ time }: { time: number }) {
  const late = Date.now() - time > SILENT;
  return (
    <span class={`tagged ${late ? 'bad' : 'good'}`} title={stamp(time)}>
      {late ? `silent for ${ago(time).replace(' ago', '')}` : 'reporting'}
    </span>
  );
}

const numberOf = (value: Json | undefined): number | null => (typeof value === 'number' ? value : null);

function Sensors({ reports, hosts }: { reports: readonly ReportRow[]; hosts: HealthDetail['hosts'] }) {
  const sensors = reports.filter((report) => report.kind === 'sensor');
  const quiet = hosts.filter((host) => !sensors.some((sensor) => sensor.name === host.name));
  return (
    <section class="block">
      <h2>Sensors</h2>
      {sensors.length + quiet.length === 0 ? <p>No sensor has sent an alert or a report yet.</p> : null}
      {sensors.length + quiet.length === 0 ? null : (
        <table class="table">
          <thead>
            <tr>
              <th>Host</th>
              <th>State</th>
              <th>Version</th>
              <th>Kernel</th>
              <th class="right">Events/s</th>
              <th class="right">Drops</th>
              <th class="right">Alerts, 24 h</th>
              <th class="right">Last alert</th>
            </tr>
          </thead>
          <tbody>
            {sensors.map((sensor) => {
              const host = hosts.find((one) => one.name === sensor.name);
              const drops = numberOf(sensor.body.drops);
              const rate = numberOf(sensor.body.events_per_second);
              return (
                <tr key={sensor.name}>
                  <td>
                    <b>{visible(sensor.name)}</b>
                  </td>
                  <td>
                    {text(sensor.body.error) === '' ? (
                      <Freshness time={sensor.time} />
                    ) : (
                      <span class="tagged bad">{visible(text(sensor.body.error))}</span>
                    )}
                  </td>
                  <td>{text(sensor.body.version)}</td>
                  <td>{text(sensor.body.kernel)}</td>
                  <td class="right">{rate === null ? '–' : number(Math.round(rate))}</td>
                  <td class="right">
                    {drops === null ? '–' : <span class={drops > 0 ? 'bad' : ''}>{number(drops)}</span>}
                  </td>
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
                  <span class="tagged" title="It sends alerts, but no reports on itself">
                    alerts only
                  </span>
                </td>
                <td class="faint">–</td>
                <td class="faint">–</td>
                <td class="right faint">–</td>
                <td class="right faint">–</td>
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

/** `destinations: [{name, circuit, depth, error, since, dead}]`, as a forwarder says. */
function Forwarders({ reports, reload }: { reports: readonly ReportRow[]; reload: () => void }) {
  const forwarders = reports.filter((report) => report.kind === 'forwarder');
  const replay = async (name: string, output: string) => {
    try {
      const { delivered, refused } = await call('POST /api/forwarders/:name/replay', {
        path: { name },
        body: { output },
      });
      say(`${number(delivered)} delivered${refused > 0 ? `, ${number(refused)} refused again` : ''}.`);
    } catch (error) {
      say(messageOf(error));
    }
    reload();
  };
  return (
    <section class="block">
      <h2>Forwarding</h2>
      {forwarders.length === 0 ? (
        <p>
          The hub knows no forwarder. Start it with <code>--forwarder URL</code>, and the queue of each destination
          stands here: what waits, its circuit, its dead letters.
        </p>
      ) : null}
      {forwarders.map((forwarder) => {
        const list = forwarder.body.destinations;
        const rows = (Array.isArray(list) ? list : []) as Readonly<Record<string, Json>>[];
        const problem = text(forwarder.body.error);
        return (
          <div key={forwarder.name} style={{ marginBottom: '14px' }}>
            <h3>
              {visible(forwarder.name)}{' '}
              {problem === '' ? (
                <Freshness time={forwarder.time} />
              ) : (
                <span class="tagged bad">{visible(problem)}</span>
              )}
            </h3>
            {rows.length === 0 ? null : (
              <table class="table">
                <thead>
                  <tr>
                    <th>Destination</th>
                    <th>Circuit</th>
                    <th class="right">Waiting</th>
                    <th>Trouble</th>
                    <th class="right">Dead letters</th>
                    <th class="right">
                      <span class="sr">Actions</span>
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => {
                    const since = numberOf(row.since);
                    const dead = numberOf(row.dead) ?? 0;
                    const circuit = text(row.circuit) || 'closed';
                    const name = text(row.name);
                    return (
                      <tr key={name}>
                        <td>
                          <b>{visible(name)}</b>
                        </td>
                        <td>
                          <span class={`tagged ${circuit === 'closed' ? 'good' : 'bad'}`}>{circuit}</span>
                        </td>
                        <td class="right">{number(numberOf(row.depth) ?? 0)}</td>
                        <td class="soft">
                          {visible(text(row.error))}
                          {since === null ? '' : ` (since ${stamp(since)})`}
                        </td>
                        <td class="right">{dead > 0 ? <b class="bad">{number(dead)}</b> : 0}</td>
                        <td class="right">
                          {dead > 0 && forwarder.body.replay === true && may('analyst') ? (
                            <button
                              type="button"
                              class="button small"
                              onClick={() => void replay(forwarder.name, name)}
                            >
                              Deliver again
                            </button>
                          ) : null}
                        </td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            )}
          </div>
        );
      })}
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
                      {data.store.alerts > 0
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
                  <dt>Hosts</dt>
                  <dd>{number(data.hosts.length)}</dd>
                </div>
              </dl>
            </section>
            <Sensors reports={data.reports} hosts={data.hosts} />
            <Forwarders reports={data.reports} reload={reload} />
            <p class="faint">
              Windhover {data.version}, up since {stamp(data.started)}
            </p>
          </div>
        )}
      </div>
    </>
  );
}
