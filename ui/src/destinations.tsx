import { useSignal } from '@preact/signals';
import type { Json, ReportRow } from '../../src/server/api.ts';
import { call } from './client.ts';
import { number, stamp, text, visible } from './format.ts';
import { ActionsTitle, Dialog, Failure, Icon, messageOf, NoRows, useLoad, When } from './parts.tsx';
import { may } from './session.ts';
import { say } from './toast.tsx';

/** How a destination is, as the forwarder says. */
interface Destination {
  readonly name: string;
  readonly kind: string;
  readonly circuit: string;
  readonly waiting: number;
  readonly error: string;
  readonly since: number | null;
  readonly dead: number;
}

/** The destinations in a forwarder's report. */
export function destinationsOf(report: ReportRow): Destination[] {
  const list = report.body.destinations;
  return ((Array.isArray(list) ? list : []) as Readonly<Record<string, Json>>[]).map((row) => ({
    name: text(row.name),
    kind: text(row.destination),
    circuit: text(row.circuit) || 'closed',
    waiting: typeof row.depth === 'number' ? row.depth : 0,
    error: text(row.error),
    since: typeof row.since === 'number' ? row.since : null,
    dead: typeof row.dead === 'number' ? row.dead : 0,
  }));
}

/** `closed` is what engineers call a circuit that works; people read it as the opposite. */
function CircuitTag({ circuit }: { circuit: string }) {
  if (circuit === 'closed') return <span class="tagged good">delivering</span>;
  if (circuit === 'open') return <span class="tagged bad">paused after failures</span>;
  return <span class="tagged warn">trying again</span>;
}

/** Titles of the columns that tell how a destination is: those of {@link DestinationCells}, its dead letters, buttons. */
export function DestinationTitles() {
  return (
    <>
      <th>State</th>
      <th class="right">Waiting</th>
      <th>Last trouble</th>
      <th class="right">Dead letters</th>
      <ActionsTitle />
    </>
  );
}

/** How a destination is: its state, what waits for it, its last trouble. */
export function DestinationCells({ destination: { circuit, waiting, error, since } }: { destination: Destination }) {
  return (
    <>
      <td>
        <CircuitTag circuit={circuit} />
      </td>
      <td class="right">{number(waiting)}</td>
      <td class="soft">
        {error === '' ? <span class="faint">none</span> : visible(error)}
        {since === null ? '' : ` (since ${stamp(since)})`}
      </td>
    </>
  );
}

/** Delivers a destination's dead letters again and says how it went. */
export async function replayDeadLetters(forwarder: string, output: string): Promise<void> {
  try {
    const { delivered, refused } = await call('POST /api/forwarders/:name/replay', {
      path: { name: forwarder },
      body: { output },
    });
    say(`${number(delivered)} delivered${refused > 0 ? `, ${number(refused)} refused again` : ''}.`);
  } catch (error) {
    say(messageOf(error));
  }
}

/** The dead letters of a destination: what it refused for good, and why. */
function DeadLetters({ forwarder, output, onClose }: { forwarder: string; output: string; onClose: () => void }) {
  const { data, error, reload } = useLoad(`dead ${forwarder} ${output}`, (signal) =>
    call('GET /api/forwarders/:name/dead-letters', { path: { name: forwarder }, query: { output }, signal }),
  );
  return (
    <Dialog title={`Dead letters of ${output}`} width={820} onClose={onClose}>
      {error === null ? null : <Failure error={error} retry={reload} />}
      {data === null ? null : (
        <table class="table">
          <thead>
            <tr>
              <th>Refused</th>
              <th>Rule</th>
              <th>Why</th>
            </tr>
          </thead>
          <tbody>
            {data.map((letter, i) => (
              <tr key={i}>
                <td class="tight">
                  <When time={letter.time} />
                </td>
                <td>{visible(letter.rule)}</td>
                <td class="soft">{visible(letter.reason)}</td>
              </tr>
            ))}
            {data.length === 0 ? <NoRows columns={3}>There are none any more.</NoRows> : null}
          </tbody>
        </table>
      )}
      {may('analyst') && data !== null && data.length > 0 ? (
        <div style={{ marginTop: '12px' }}>
          <button
            type="button"
            class="button primary"
            onClick={() => void replayDeadLetters(forwarder, output).then(reload)}
          >
            <Icon name="reopen" /> Deliver all again
          </button>
        </div>
      ) : null}
    </Dialog>
  );
}

/** Settings → Destinations: what the forwarders send to, how it goes, and a test of each. */
export function Destinations() {
  const { data, error, reload } = useLoad('destinations', (signal) => call('GET /api/health', { signal }));
  const reading = useSignal<{ forwarder: string; output: string } | null>(null);
  const testing = useSignal<ReadonlySet<string>>(new Set());
  const forwarders = (data?.reports ?? []).filter((report) => report.kind === 'forwarder');
  const test = async (forwarder: string, output: string) => {
    const key = `${forwarder} ${output}`;
    testing.value = new Set([...testing.value, key]);
    try {
      const { error: problem } = await call('POST /api/forwarders/:name/test', {
        path: { name: forwarder },
        body: { output },
      });
      say(problem === null ? `${output} took the test alert.` : `${output}: ${problem}`);
    } catch (failure) {
      say(messageOf(failure));
    }
    testing.value = new Set([...testing.value].filter((one) => one !== key));
    reload();
  };
  return (
    <>
      {error === null ? null : <Failure error={error} retry={reload} />}
      {data !== null && forwarders.length === 0 ? (
        <section class="block">
          <h2>Destinations</h2>
          <p>
            Alerts are sent on by a forwarder: to Slack, Elasticsearch, a SIEM, a pager. This hub knows none yet. Start{' '}
            <code>windhover up --forward-config sidekick.yaml</code>, or point the hub at one that runs with{' '}
            <code>--forwarder URL</code>.
          </p>
        </section>
      ) : null}
      {forwarders.map((forwarder) => {
        const rows = destinationsOf(forwarder);
        const problem = text(forwarder.body.error);
        return (
          <section key={forwarder.name} class="block" aria-label={`Destinations of ${forwarder.name}`}>
            <h2>
              Destinations <span class="faint">of the forwarder on {visible(forwarder.name)}</span>
            </h2>
            {problem === '' ? (
              <p>
                They are configured in the forwarder's file, with the keys of Falcosidekick; here is how they are. A
                test sends one alert, “Test rule”, past the queue.
              </p>
            ) : (
              <p class="bad">The forwarder does not answer: {visible(problem)}</p>
            )}
            {rows.length === 0 ? null : (
              <table class="table">
                <thead>
                  <tr>
                    <th>Destination</th>
                    <DestinationTitles />
                  </tr>
                </thead>
                <tbody>
                  {rows.map((row) => (
                    <tr key={row.name}>
                      <td>
                        <b>{visible(row.name)}</b>
                        {row.kind === '' || row.kind === row.name ? null : (
                          <span class="faint"> {visible(row.kind)}</span>
                        )}
                      </td>
                      <DestinationCells destination={row} />
                      <td class="right">
                        {row.dead === 0 ? (
                          0
                        ) : (
                          <button
                            type="button"
                            class="button small"
                            onClick={() => (reading.value = { forwarder: forwarder.name, output: row.name })}
                          >
                            {number(row.dead)} …
                          </button>
                        )}
                      </td>
                      <td class="right tight">
                        {may('admin') ? (
                          <button
                            type="button"
                            class="button small"
                            disabled={testing.value.has(`${forwarder.name} ${row.name}`)}
                            aria-label={`Send a test alert to ${row.name}`}
                            onClick={() => void test(forwarder.name, row.name)}
                          >
                            {testing.value.has(`${forwarder.name} ${row.name}`) ? 'Sending…' : 'Send a test'}
                          </button>
                        ) : null}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
          </section>
        );
      })}
      {reading.value === null ? null : (
        <DeadLetters
          {...reading.value}
          onClose={() => {
            reading.value = null;
            reload();
          }}
        />
      )}
    </>
  );
}
