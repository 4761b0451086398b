import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { AlertDetail, AlertRow, ExplainNode, GroupDetail } from '../../src/server/api.ts';
import { call } from './client.ts';
import { ExceptionDialog } from './exception.tsx';
import { ago, bytes, clock, number, quoted, stamp, text, utc, visible } from './format.ts';
import { Histogram } from './histogram.tsx';
import { AlertLine } from './inbox.tsx';
import {
  Empty,
  Failure,
  Icon,
  messageOf,
  OUTCOMES,
  Person,
  PriorityName,
  StateTag,
  useKeys,
  useLoad,
  When,
} from './parts.tsx';
import { lineageOf, type Process, programOf, WHO } from './processes.ts';
import { go, place } from './router.ts';
import { may } from './session.ts';
import { say } from './toast.tsx';
import { assignToMe, MuteDialog, triage } from './triage.tsx';

function Answer({ title, aside, children }: { title: string; aside?: ComponentChildren; children: ComponentChildren }) {
  return (
    <section class="answer" aria-label={title}>
      <header>
        <h2>{title}</h2>
        <span class="grow" />
        {aside}
      </header>
      {children}
    </section>
  );
}

/** An alert's address leads to its group, with that alert in view. */
export function AlertPermalink({ id }: { id: number }) {
  const problem = useSignal<Error | null>(null);
  useEffect(() => {
    call('GET /api/alerts/:id', { path: { id } }).then(
      (alert) => go(`/groups/${alert.group}?alert=${id}`, { replace: true }),
      (error: Error) => {
        problem.value = error;
      },
    );
  }, [id, problem]);
  return problem.value === null ? null : <Failure error={problem.value} />;
}

export function GroupPage({ id }: { id: number }) {
  const wanted = Number(place.value.query.get('alert') ?? Number.NaN);
  const group = useLoad(`group ${id}`, (signal) => call('GET /api/groups/:id', { path: { id }, signal }));
  const shown = Number.isSafeInteger(wanted) ? wanted : (group.data?.latest ?? null);
  const alert = useLoad(`alert ${shown}`, async (signal) =>
    shown === null ? null : call('GET /api/alerts/:id', { path: { id: shown }, signal }),
  );
  const muting = useSignal(false);
  const excepting = useSignal(false);
  const allowed = may('analyst');
  const data = alert.data;
  useEffect(() => {
    if (data === null) return;
    // A responder needs a moment; what waits for approval may take long.
    const fresh = Date.now() - data.time < 30_000;
    const open = data.actions.some(
      ({ status }) => status === 'planned' || status === 'started' || status === 'waiting',
    );
    if (!fresh && !open) return;
    const timer = setTimeout(alert.reload, 2000);
    return () => clearTimeout(timer);
  }, [data]);
  const show = (other: number | null) => {
    if (other !== null) go(`/groups/${id}?alert=${other}`, { replace: true });
  };
  useKeys({
    u: () => go('/'),
    n: () => show(data?.older ?? null),
    p: () => show(data?.newer ?? null),
    ...(allowed
      ? {
          e: () => void triage([id], { action: 'acknowledge' }, group.reload),
          r: () => void triage([id], { action: 'resolve' }, group.reload),
          a: () => void assignToMe([id], group.reload),
          m: () => {
            muting.value = true;
          },
        }
      : {}),
    x: () => {
      excepting.value = shown !== null;
    },
  });
  if (group.error !== null && group.data === null) {
    return (
      <div class="page">
        <Failure error={group.error} retry={group.reload} />
      </div>
    );
  }
  if (group.data === null) return <div class="page" aria-busy="true" />;
  const { group: row } = group.data;
  return (
    <>
      <header class="head">
        <a class="button plain small" href="/" aria-label="Back to the inbox">
          <Icon name="left" /> Inbox
        </a>
        <div class="grow">
          <h1>{visible(row.rule)}</h1>
        </div>
        {data === null ? null : (
          <>
            <span class="soft nowrap" title={`${stamp(data.time)} · ${utc(data.time)}`}>
              Alert {number(data.id)} · {stamp(data.time)}
            </span>
            <button
              type="button"
              class="button small"
              disabled={data.newer === null}
              onClick={() => show(data.newer)}
              aria-label="Newer alert (p)"
              title="Newer (p)"
            >
              <Icon name="left" />
            </button>
            <button
              type="button"
              class="button small"
              disabled={data.older === null}
              onClick={() => show(data.older)}
              aria-label="Older alert (n)"
              title="Older (n)"
            >
              <Icon name="right" />
            </button>
          </>
        )}
      </header>
      <div class="page" tabIndex={-1}>
        <div class="detail">
          <div>
            {alert.error === null ? null : <Failure error={alert.error} retry={alert.reload} />}
            <What group={group.data} alert={data} />
            {data === null ? null : (
              <>
                <Why alert={data} />
                <Who alert={data} />
                <Else alert={data} />
                <Done alert={data} reload={alert.reload} />
                <Fields alert={data} />
              </>
            )}
            <History detail={group.data} reload={group.reload} />
            <Places detail={group.data} reload={group.reload} />
          </div>
          <aside class="side" aria-label="Actions">
            <div class="acts">
              {row.state === 'open' ? (
                <button
                  type="button"
                  class="button primary"
                  disabled={!allowed}
                  onClick={() => void triage([id], { action: 'acknowledge' }, group.reload)}
                >
                  <Icon name="check" /> Acknowledge
                </button>
              ) : (
                <button
                  type="button"
                  class="button"
                  disabled={!allowed}
                  onClick={() => void triage([id], { action: 'reopen' }, group.reload)}
                >
                  <Icon name="reopen" /> Reopen
                </button>
              )}
              <button
                type="button"
                class="button"
                disabled={!allowed}
                onClick={() => void triage([id], { action: 'resolve' }, group.reload)}
              >
                <Icon name="resolve" /> Resolve
              </button>
              <button type="button" class="button" disabled={!allowed} onClick={() => (muting.value = true)}>
                <Icon name="mute" /> Mute…
              </button>
              <button
                type="button"
                class="button"
                disabled={!allowed}
                onClick={() => void assignToMe([id], group.reload)}
              >
                <Icon name="person" /> Take it
              </button>
              <button
                type="button"
                class="button wide"
                disabled={shown === null}
                onClick={() => (excepting.value = true)}
              >
                <Icon name="exception" /> Make an exception…
              </button>
              <a class="button wide" href={`/rules?rule=${encodeURIComponent(row.rule)}`}>
                <Icon name="rules" /> Open the rule
              </a>
              <a
                class="button wide"
                href={`/api/export?format=jsonl&from=0&group=${id}`}
                download={`group-${id}.jsonl`}
              >
                <Icon name="download" /> Export the group
              </a>
            </div>
            <dl class="facts">
              <dt>State</dt>
              <dd>
                <StateTag state={row.state} reopened={row.reopened} until={row.mutedUntil} />
                {row.mutedUntil === null ? null : <span class="soft"> until {stamp(row.mutedUntil)}</span>}
              </dd>
              <dt>Assignee</dt>
              <dd>{row.assignee === null ? <span class="faint">nobody</span> : row.assignee}</dd>
              <dt>First seen</dt>
              <dd>
                <When time={row.firstSeen} />
              </dd>
              <dt>Last seen</dt>
              <dd>
                <When time={row.lastSeen} />
              </dd>
              <dt>Alerts</dt>
              <dd>{number(row.total)}</dd>
              <dt>Hosts</dt>
              <dd>{row.hosts.length === 0 ? <span class="faint">not named</span> : row.hosts.join(', ')}</dd>
              {row.namespace === '' ? null : (
                <>
                  <dt>Namespace</dt>
                  <dd>{row.namespace}</dd>
                </>
              )}
              {row.workload === '' ? null : (
                <>
                  <dt>Workload</dt>
                  <dd>{row.workload}</dd>
                </>
              )}
              {row.image === '' ? null : (
                <>
                  <dt>Image</dt>
                  <dd class="mono">{row.image}</dd>
                </>
              )}
            </dl>
            <div class="chips">
              {row.tags.map((tag) => (
                <a
                  key={tag}
                  class="chip"
                  href={`/?q=${encodeURIComponent(`tags intersects (${quoted(tag)})`)}&state=all`}
                >
                  {tag}
                </a>
              ))}
            </div>
          </aside>
        </div>
      </div>
      {muting.value ? <MuteDialog groups={[id]} onDone={group.reload} onClose={() => (muting.value = false)} /> : null}
      {excepting.value && shown !== null ? (
        <ExceptionDialog alert={shown} onClose={() => (excepting.value = false)} />
      ) : null}
    </>
  );
}

function What({ group, alert }: { group: GroupDetail; alert: AlertDetail | null }) {
  const { group: row } = group;
  const output = alert?.alert.output ?? row.title;
  const message = output.replace(/^\d\d:\d\d:\d\d\.\d+: [A-Z][a-z]+ /, '');
  const title = message.split(/ \| | \(/)[0]?.slice(0, 400) ?? message;
  return (
    <Answer title="What happened">
      <p class="sentence">{visible(title)}</p>
      <div class="crumbs">
        <PriorityName priority={alert?.alert.priority ?? row.priority} />
        {alert === null ? null : (
          <>
            <span title={utc(alert.time)}>
              {stamp(alert.time)} <span class="faint">({ago(alert.time)})</span>
            </span>
            <span class="faint">{utc(alert.time)}</span>
          </>
        )}
        <span class="faint">source {row.source}</span>
      </div>
      {row.what === '' && row.touched === '' ? null : (
        <dl class="facts" style={{ marginBottom: '12px' }}>
          {row.what === '' ? null : (
            <>
              <dt>Command</dt>
              <dd class="mono">{visible(text(alert?.alert.output_fields?.['proc.cmdline']) || row.what)}</dd>
            </>
          )}
          {row.touched === '' ? null : (
            <>
              <dt>Touched</dt>
              <dd class="mono">{visible(text(alert?.alert.output_fields?.['fd.name']) || row.touched)}</dd>
            </>
          )}
        </dl>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse. */}
      <pre class="quote" tabIndex={0}>
        {visible(output)}
      </pre>
      {group.latest === null ? (
        <p class="missing">No alert of this group is stored any more: the retention has removed them.</p>
      ) : null}
    </Answer>
  );
}

/** A macro with more terms than this stays folded. */
const FEW_TERMS = 8;

const termsOf = (node: ExplainNode): number =>
  node.kind === 'term' ? 1 : node.children.reduce((sum, child) => sum + termsOf(child), 0);

/** Of alternatives, one is enough: those that were not true stand folded below. */
function Children({ node }: { node: ExplainNode }) {
  const not = node.kind === 'or' && node.result === true ? node.children.filter((child) => child.result === false) : [];
  const folded = not.length > 2 ? not : [];
  return (
    <ul>
      {node.children
        .filter((child) => !folded.includes(child))
        .map((child, i) => (
          <Term key={i} node={child} />
        ))}
      {folded.length === 0 ? null : (
        <li>
          <details>
            <summary>
              <span class="joint">{folded.length} others were not</span>
            </summary>
            <ul>
              {folded.map((child, i) => (
                <Term key={i} node={child} />
              ))}
            </ul>
          </details>
        </li>
      )}
    </ul>
  );
}

function Term({ node, root = false }: { node: ExplainNode; root?: boolean }) {
  const truth = node.result === null ? 'unknown' : String(node.result);
  const sign = node.result === null ? '?' : node.result ? '✓' : '✗';
  const label =
    node.result === null
      ? 'cannot be told from the alert'
      : `${node.result}${node.deduced ? ': the alert does not say so, but the rule fired' : ''}`;
  const head = (
    <span class="node">
      <span class={`truth ${truth} ${node.deduced ? 'deduced' : ''}`} role="img" aria-label={label} title={label}>
        {sign}
      </span>
      <span class="term">
        {node.macro === null ? null : <span class="chip">{node.macro}</span>}
        {node.kind === 'term' ? (
          <code>{visible(node.text)}</code>
        ) : (
          <span class="joint">{node.kind === 'and' ? 'all of' : node.kind === 'or' ? 'any of' : 'not'}</span>
        )}
        {node.value === null ? null : <span class="value">is {visible(node.value.slice(0, 300))}</span>}
      </span>
    </span>
  );
  if (node.children.length === 0) return <li>{head}</li>;
  return (
    <li>
      <details open={root || (node.result !== false && (node.macro === null || termsOf(node) <= FEW_TERMS))}>
        <summary>{head}</summary>
        <Children node={node} />
      </details>
    </li>
  );
}

function Why({ alert }: { alert: AlertDetail }) {
  const { data, error, reload } = useLoad(`why ${alert.id}`, (signal) =>
    call('GET /api/alerts/:id/explanation', { path: { id: alert.id }, signal }),
  );
  return (
    <Answer title="Why it fired" aside={data?.rule ? <span class="faint">{data.rule.file}</span> : null}>
      {error === null ? null : <Failure error={error} retry={reload} />}
      {data === null || data.rule === null ? null : (
        <>
          {data.rule.description === '' ? null : (
            <p class="soft" style={{ marginBottom: '8px', maxWidth: '80ch' }}>
              {visible(data.rule.description)}
            </p>
          )}
          {data.tree === null ? null : (
            <div class="tree">
              <ul style={{ border: 0, margin: 0, padding: 0 }}>
                <Term node={data.tree} root />
              </ul>
            </div>
          )}
          <p class="missing" style={{ marginTop: '8px' }}>
            A faint sign is deduced from the rule having fired; <b>?</b> is open. Fields that the rule's output names
            are shown with their value.
          </p>
        </>
      )}
      {data?.rule === null ? (
        <p class="missing">
          The hub does not have the rule “{visible(alert.alert.rule)}”. Start it with <code>--rules FILE</code>, or save
          the file under <a href="/rules">Rules</a>, and it explains each term here.
        </p>
      ) : null}
    </Answer>
  );
}

interface Branch extends Process {
  readonly culprit: boolean;
  readonly children: Branch[];
  /** Alerts of other processes at this place of the tree. */
  readonly others: { readonly name: string; readonly rows: AlertRow[] }[];
}

/** The lineage as a branch, with what else the alerts around say of its processes' children. */
function branchOf(lineage: readonly Process[], around: readonly AlertRow[], id: number): Branch | null {
  let below: Branch | null = null;
  for (let i = lineage.length - 1; i >= 0; i--) {
    const process = lineage[i] as Process;
    const others = new Map<string, AlertRow[]>();
    for (const row of around) {
      if (row.id === id) continue;
      const other = lineageOf(row.alert);
      const [child, parent] = [other.at(-1), other.at(-2)];
      if (child === undefined || parent === undefined) continue;
      const same =
        process.pid !== '' && parent.pid !== ''
          ? parent.pid === process.pid
          : parent.name === process.name && i === lineage.length - 2;
      if (!same) continue;
      others.set(child.name, [...(others.get(child.name) ?? []), row]);
    }
    below = {
      ...process,
      culprit: i === lineage.length - 1,
      children: below === null ? [] : [below],
      others: [...others].map(([name, rows]) => ({ name, rows })).sort((a, b) => b.rows.length - a.rows.length),
    };
  }
  return below;
}

function ProcessNode({ branch }: { branch: Branch }) {
  return (
    <li>
      <span class={`process ${branch.culprit ? 'culprit' : ''}`}>
        <b>{visible(branch.name)}</b>
        {branch.pid === '' ? null : <span class="pid">{branch.pid}</span>}
        {branch.exe === '' ? null : <span class="exe mono">{visible(branch.exe)}</span>}
        {branch.cmdline === '' || branch.cmdline === branch.name ? null : (
          <code title={visible(branch.cmdline)}>{visible(branch.cmdline.slice(0, branch.culprit ? 2000 : 300))}</code>
        )}
        {branch.culprit ? <span class="tagged bad">this alert</span> : null}
      </span>
      {branch.children.length + branch.others.length === 0 ? null : (
        <ul>
          {branch.children.map((child) => (
            <ProcessNode key={child.name} branch={child} />
          ))}
          {branch.others.slice(0, 6).map(({ name, rows }) => (
            <li key={name}>
              <a class="process" href={`/groups/${rows[0]?.group}?alert=${rows[0]?.id}`}>
                <b>{visible(name)}</b>
                <span class="exe">
                  {rows.length === 1 ? '1 other alert' : `${rows.length} other alerts`}:{' '}
                  {visible([...new Set(rows.map((row) => row.alert.rule))].slice(0, 3).join(', '))}
                </span>
              </a>
            </li>
          ))}
          {branch.others.length > 6 ? <li class="faint">{branch.others.length - 6} more with alerts</li> : null}
        </ul>
      )}
    </li>
  );
}

function useAround(id: number) {
  return useLoad(`around ${id}`, (signal) =>
    call('GET /api/alerts/:id/around', { path: { id }, query: { seconds: 300 }, signal }),
  );
}

function Who({ alert }: { alert: AlertDetail }) {
  const around = useAround(alert.id);
  const lineage = lineageOf(alert.alert);
  const branch = branchOf(lineage, around.data?.alerts ?? [], alert.id);
  const fields = alert.alert.output_fields ?? {};
  const facts = WHO.flatMap(([label, names]) => {
    const value = names.map((name) => text(fields[name])).find((one) => one !== '');
    return value === undefined ? [] : [[label, value] as const];
  });
  return (
    <Answer title="Who did it">
      {branch === null ? (
        <p class="missing">
          The alert names no process: its rule's output has no <code>proc.*</code> field.
        </p>
      ) : (
        <div class="processes">
          <ul>
            <ProcessNode branch={branch} />
          </ul>
        </div>
      )}
      {facts.length === 0 ? null : (
        <dl class="facts double" style={{ marginTop: '12px' }}>
          {facts.map(([label, value]) => (
            <>
              <dt>{label}</dt>
              <dd>{visible(value)}</dd>
            </>
          ))}
        </dl>
      )}
    </Answer>
  );
}

function Else({ alert }: { alert: AlertDetail }) {
  const around = useAround(alert.id);
  const rows = (around.data?.alerts ?? []).filter((row) => row.id !== alert.id);
  const near = [...rows].sort((a, b) => Math.abs(a.time - alert.time) - Math.abs(b.time - alert.time)).slice(0, 12);
  near.sort((a, b) => b.time - a.time);
  return (
    <Answer
      title="What else"
      aside={
        rows.length === 0 ? null : <span class="faint">{number(rows.length)} alerts on this host within 5 minutes</span>
      }
    >
      {alert.captures.length === 0 ? (
        <p class="missing">
          No recording covers this moment. With <code>capture: true</code> on the rule (or the recorder on), the system
          calls around the alert are kept and shown here.
        </p>
      ) : (
        alert.captures.slice(0, 1).map((capture) => <Timeline key={capture.id} alert={alert} capture={capture} />)
      )}
      {around.error === null ? null : <Failure error={around.error} retry={around.reload} />}
      {near.length === 0 ? null : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse.
        <section class="events" style={{ marginTop: '10px' }} aria-label="Alerts around" tabIndex={0}>
          {near.map((row) => (
            <AlertLine key={row.id} row={row} />
          ))}
        </section>
      )}
    </Answer>
  );
}

/** The system calls of a recording around the alert, to be filtered with a condition. */
function Timeline({ alert, capture }: { alert: AlertDetail; capture: AlertDetail['captures'][number] }) {
  const fields = alert.alert.output_fields ?? {};
  const name = text(fields['proc.name']) || programOf(text(fields['proc.exepath']), text(fields['proc.cmdline']));
  const list = useRef<HTMLElement>(null);
  const first = name === '' ? '' : `proc.name = ${quoted(name)} or proc.pname = ${quoted(name)}`;
  const typed = useSignal(first);
  const filter = useSignal(first);
  const { data, error } = useLoad(`timeline ${alert.id} ${capture.id} ${filter.value}`, (signal) =>
    call('GET /api/alerts/:id/timeline', {
      path: { id: alert.id },
      query: { capture: capture.id, filter: filter.value },
      signal,
    }),
  );
  // The call that raised the alert stands in the middle of what is seen.
  const nearest = data?.events.reduce<(typeof data.events)[number] | null>(
    (best, event) =>
      best === null || Math.abs(event.time - alert.time) < Math.abs(best.time - alert.time) ? event : best,
    null,
  );
  useEffect(() => {
    const box = list.current;
    const at = box?.querySelector<HTMLElement>('[data-at="true"]');
    if (box !== null && at) box.scrollTop = at.offsetTop - box.clientHeight / 2;
  }, [data]);
  return (
    <div>
      <form
        class="inline-form"
        onSubmit={(event) => {
          event.preventDefault();
          filter.value = typed.value;
        }}
      >
        <input
          class="input mono"
          style={{ flex: 1 }}
          aria-label="Filter of system calls"
          placeholder="fd.name startswith /etc and evt.type in (open, openat)"
          value={typed.value}
          onInput={(event) => (typed.value = event.currentTarget.value)}
        />
        <button type="submit" class="button">
          Filter
        </button>
        <a
          class="button"
          href={`/api/captures/${capture.id}/file`}
          download={capture.name}
          title={`Download ${capture.name}`}
        >
          <Icon name="download" /> {bytes(capture.bytes)}
        </a>
      </form>
      {error === null ? null : <Failure error={error} />}
      {data === null ? null : (
        <>
          <p class="faint" style={{ marginBottom: '6px' }}>
            {number(data.matched)} of {number(data.read)} system calls{data.more ? '; the nearest are shown' : ''}
          </p>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse. */}
          <section class="events" ref={list} aria-label="System calls" tabIndex={0}>
            {data.events.map((event) => (
              <div key={event.num} class="line call" data-at={event === nearest}>
                <time title={stamp(event.time)}>
                  {clock(event.time)}.{String(Math.floor(event.time % 1000)).padStart(3, '0')}
                </time>
                <span class="mono">{event.type}</span>
                <span class="mono">
                  {visible(event.process)} <span class="faint">{event.pid}</span>
                </span>
                <span class="output">{visible(event.text)}</span>
              </div>
            ))}
          </section>
        </>
      )}
    </div>
  );
}

function Done({ alert, reload }: { alert: AlertDetail; reload: () => void }) {
  const steer = async (action: string, what: 'undo' | 'approve') => {
    try {
      const { message } = await call('POST /api/alerts/:id/actions', {
        path: { id: alert.id },
        body: { action, what },
      });
      say(message);
    } catch (error) {
      say(messageOf(error));
    }
    reload();
  };
  return (
    <Answer title="What was done">
      {alert.actions.length === 0 ? (
        <p class="missing">
          Nothing: no response rule matched this alert, or no responder reports to this hub.{' '}
          <code>windhover respond</code> acts upon alerts.
        </p>
      ) : (
        <table class="table">
          <thead>
            <tr>
              <th>When</th>
              <th>Action</th>
              <th>Target</th>
              <th>Result</th>
              <th>
                <span class="sr">Do</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {alert.actions.map((action) => {
              const [words, tone] = OUTCOMES[action.status] ?? [action.status, ''];
              const can = may('analyst') && action.id !== '';
              return (
                <tr key={`${action.id} ${action.time}`}>
                  <td class="tight">
                    <When time={action.time} />
                  </td>
                  <td>
                    <b>{visible(action.action)}</b>
                    {action.rule === '' ? null : <div class="faint">rule “{visible(action.rule)}”</div>}
                  </td>
                  <td class="mono">{visible(action.target)}</td>
                  <td>
                    <span class={`tagged ${tone}`}>{visible(words)}</span>{' '}
                    <span class="soft">{visible(action.detail)}</span>
                  </td>
                  <td class="right tight">
                    {can && action.undo ? (
                      <button type="button" class="button small" onClick={() => void steer(action.id, 'undo')}>
                        <Icon name="reopen" /> Undo
                      </button>
                    ) : null}
                    {can && action.status === 'waiting' ? (
                      <button
                        type="button"
                        class="button small primary"
                        onClick={() => void steer(action.id, 'approve')}
                      >
                        <Icon name="check" /> Approve
                      </button>
                    ) : null}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
    </Answer>
  );
}

function Fields({ alert }: { alert: AlertDetail }) {
  const entries = Object.entries(alert.alert.output_fields ?? {}).sort(([a], [b]) => a.localeCompare(b));
  return (
    <Answer title="Fields" aside={<span class="faint">{entries.length} fields</span>}>
      {entries.length === 0 ? <p class="missing">The alert carries no fields.</p> : null}
      <table class="table">
        <tbody>
          {entries.map(([name, value]) => (
            <tr key={name}>
              <td class="mono tight soft" style={{ width: '1%' }}>
                {name}
              </td>
              <td class="mono">
                {text(value) === '' ? <span class="faint">no value</span> : visible(text(value).slice(0, 5000))}
              </td>
              <td class="right tight">
                {text(value) === '' || text(value).length > 500 ? null : (
                  <a class="quiet" href={`/alerts?q=${encodeURIComponent(`${name} = ${quoted(text(value))}`)}`}>
                    Find alike
                  </a>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Answer>
  );
}

const SAID: Readonly<Record<string, string>> = {
  acknowledge: 'acknowledged it',
  resolve: 'resolved it',
  reopen: 'reopened it',
  mute: 'muted it',
  unmute: 'opened it again',
  regression: 'reopened it',
  merge: 'merged into it',
  split: 'split it',
  comment: 'wrote',
};

function History({ detail, reload }: { detail: GroupDetail; reload: () => void }) {
  const comment = useSignal('');
  const { group } = detail;
  const describe = (action: string, said: string) => {
    if (action === 'assign') return said === '' ? 'took the assignee away' : `assigned it to ${said}`;
    return SAID[action] ?? action;
  };
  const aside = (action: string, said: string) => {
    if (action === 'mute') {
      const { until, count } = JSON.parse(said) as { until: number | null; count: number | null };
      return ` ${until === null ? 'for good' : `until ${stamp(until / 1000)}`}${count === null ? '' : `, or ${number(count)} more alerts`}`;
    }
    return action === 'comment' || action === 'assign' || said === '' ? '' : ` (${said})`;
  };
  return (
    <Answer title="History">
      <Histogram
        data={detail.histogram}
        onChoose={(from, to) =>
          go(`/alerts?q=${encodeURIComponent(`group = ${group.id}`)}&from=${Math.round(from)}&to=${Math.round(to)}`)
        }
      />
      <ul class="log" style={{ marginTop: '10px' }}>
        {detail.history.map((entry) => (
          <li key={entry.id}>
            <Person name={entry.who} />
            <div>
              <b>{visible(entry.who)}</b> {describe(entry.action, visible(entry.detail))}
              {aside(entry.action, visible(entry.detail))}
              {entry.action === 'comment' ? <div class="said">{visible(entry.detail)}</div> : null}
            </div>
            <When time={entry.time} />
          </li>
        ))}
        <li>
          <span />
          <div class="soft">First seen</div>
          <When time={group.firstSeen} />
        </li>
      </ul>
      {may('analyst') ? (
        <form
          style={{ display: 'grid', gap: '8px', marginTop: '8px' }}
          onSubmit={(event) => {
            event.preventDefault();
            if (comment.value.trim() === '') return;
            void triage([group.id], { action: 'comment', text: comment.value.trim() }, reload);
            comment.value = '';
          }}
        >
          <textarea
            class="input"
            rows={2}
            aria-label="Comment"
            placeholder="What did you find out?"
            value={comment.value}
            onInput={(event) => (comment.value = event.currentTarget.value)}
          />
          <div>
            <button type="submit" class="button">
              Comment
            </button>
          </div>
        </form>
      ) : null}
    </Answer>
  );
}

function Places({ detail, reload }: { detail: GroupDetail; reload: () => void }) {
  const chosen = useSignal<ReadonlySet<number>>(new Set());
  const { series, group } = detail;
  if (series.length < 2) return null;
  const split = async () => {
    try {
      const made = await call('POST /api/split', { body: { group: group.id, series: [...chosen.value] } });
      say('Split off; later alerts from there follow.');
      go(`/groups/${made.group}`);
    } catch (error) {
      say(messageOf(error));
      reload();
    }
  };
  return (
    <Answer
      title="Where"
      aside={
        may('analyst') ? (
          <button
            type="button"
            class="button small"
            disabled={chosen.value.size === 0 || chosen.value.size === series.length}
            onClick={split}
          >
            Split the chosen off
          </button>
        ) : null
      }
    >
      <table class="table">
        <thead>
          <tr>
            <th>
              <span class="sr">Choose</span>
            </th>
            <th>Priority</th>
            <th>Namespace</th>
            <th>Workload</th>
            <th>Host</th>
            <th>Image</th>
            <th class="right">Alerts</th>
          </tr>
        </thead>
        <tbody>
          {series.map((one) => (
            <tr key={one.id}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Choose ${one.workload || one.host || 'this place'}`}
                  checked={chosen.value.has(one.id)}
                  onClick={() => {
                    const next = new Set(chosen.value);
                    if (!next.delete(one.id)) next.add(one.id);
                    chosen.value = next;
                  }}
                />
              </td>
              <td>
                <PriorityName priority={one.priority} />
              </td>
              <td>{one.namespace || <span class="faint">none</span>}</td>
              <td>{one.workload || <span class="faint">none</span>}</td>
              <td>{one.host || <span class="faint">not named</span>}</td>
              <td class="mono">{one.image}</td>
              <td class="right">{number(one.count)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Answer>
  );
}

export function NotFound() {
  return (
    <Empty title="There is no such page" icon="search">
      <a class="button" href="/">
        To the inbox
      </a>
    </Empty>
  );
}
