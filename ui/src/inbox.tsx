import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { AlertRow, GroupRow, Inbox } from '../../src/server/api.ts';
import { call, parseJson, queryString } from './client.ts';
import { currentFilter, FacetPanel, FilterBar, usual } from './filter.tsx';
import { clock, number, short, stamp, text, visible } from './format.ts';
import { Histogram } from './histogram.tsx';
import { Empty, Failure, Icon, Mark, Person, Sparkline, StateTag, useKeys, useLoad, When } from './parts.tsx';
import { go, place, withQuery } from './router.ts';
import { may } from './session.ts';
import { arrivals } from './stream.ts';
import { say } from './toast.tsx';
import { MuteDialog, triage } from './triage.tsx';

const STATES = [
  ['open,acknowledged', 'To do', ['open', 'acknowledged']],
  ['muted', 'Muted', ['muted']],
  ['resolved', 'Resolved', ['resolved']],
  ['all', 'All', ['open', 'acknowledged', 'muted', 'resolved']],
] as const;

const stateQuery = (state: string) => (state === 'all' ? null : state);

/** What the address selects, as the API wants it. */
export function apiQuery(): Record<string, string | number | null> {
  const { q, from, to, state } = currentFilter();
  return { q, from, to, state: stateQuery(state) };
}

function whereOf(group: GroupRow) {
  const parts = [group.namespace, group.workload, group.image.replace(/^.*\//, '')].filter((part) => part !== '');
  const hosts = group.hosts.length > 1 ? `${group.hosts.length} hosts` : group.hosts[0];
  return (
    <>
      {parts.length > 0 ? <b>{parts.filter((part, i) => parts.indexOf(part) === i).join(' › ')}</b> : null}
      {parts.length > 0 && hosts !== undefined ? ' on ' : null}
      {hosts === undefined ? parts.length === 0 ? 'host' : null : parts.length === 0 ? <b>{hosts}</b> : hosts}
      {' · '}
      {visible(group.title.slice(0, 200))}
      {group.touched === '' || group.what.includes(group.touched) ? null : (
        <span class="mono"> · {visible(group.touched)}</span>
      )}
    </>
  );
}

/** The switch between the two views of the same alerts. */
function Views({ inbox }: { inbox: Inbox | null }) {
  const path = place.value.path;
  return (
    <nav class="segmented" aria-label="View">
      <a href={withQuery({ at: null }, '/')} aria-current={path === '/' ? 'true' : undefined}>
        Groups {inbox === null ? null : <span class="n">{number(inbox.groupCount)}</span>}
      </a>
      <a href={withQuery({ at: null }, '/alerts')} aria-current={path === '/alerts' ? 'true' : undefined}>
        Alerts {inbox === null ? null : <span class="n">{number(inbox.alertCount)}</span>}
      </a>
    </nav>
  );
}

function SaveSearch() {
  return (
    <button
      type="button"
      class="button plain"
      title="Save this search"
      onClick={async () => {
        const name = currentFilter().q || 'everything';
        try {
          await call('POST /api/searches', { body: { name: name.slice(0, 100), url: withQuery({}) } });
          say('Saved; it stands at the left.');
          document.dispatchEvent(new Event('searches'));
        } catch (error) {
          say((error as Error).message);
        }
      }}
    >
      <Icon name="star" /> Save search
    </button>
  );
}

/** Groups, or the alerts themselves: the frame is the same. */
export function Explorer({ view }: { view: 'groups' | 'alerts' }) {
  const { query } = place.value;
  const filter = currentFilter();
  const sort = query.get('sort') ?? 'priority';
  const key = `${filter.q} ${filter.range ?? `${filter.from}-${filter.to}`} ${filter.state} ${sort} ${arrivals.value}`;
  const { data, error, reload } = useLoad(key, (signal) =>
    call('GET /api/inbox', { query: { ...apiQuery(), sort, limit: 300 }, signal }),
  );
  useEffect(() => {
    if (data === null) return;
    usual.value = data.oldest !== null && Date.now() - data.oldest < 3_600_000 ? '1h' : '24h';
  }, [data]);
  const choose = (from: number, to: number) =>
    go(withQuery({ from: String(Math.round(from)), to: String(Math.round(to)), range: null }));
  return (
    <>
      <FilterBar error={error} />
      <div class="explorer">
        {data === null ? <aside class="facets" /> : <FacetPanel facets={data.facets} />}
        <div class="results">
          {view === 'groups' ? <Welcome data={data} /> : null}
          {data === null ? null : <Histogram data={data.histogram} onChoose={choose} />}
          <div class="bar">
            <Views inbox={data} />
            {view === 'groups' ? (
              <fieldset class="segmented" aria-label="State">
                {STATES.map(([value, label, states]) => (
                  <button
                    key={value}
                    type="button"
                    aria-pressed={filter.state === value}
                    onClick={() => go(withQuery({ state: value }))}
                  >
                    {label}
                    {data === null ? null : (
                      <span class="n">{states.reduce((sum, state) => sum + data.states[state], 0)}</span>
                    )}
                  </button>
                ))}
              </fieldset>
            ) : null}
            <span class="grow" style={{ flex: 1 }} />
            {data?.since != null ? <span class="tagged warn">counted since {stamp(data.since)}</span> : null}
            {may('analyst') ? <SaveSearch /> : null}
            <a
              class="button plain"
              href={`/api/export${queryString({ ...apiQuery(), format: 'jsonl' })}`}
              download="alerts.jsonl"
            >
              <Icon name="download" /> JSONL
            </a>
            <a
              class="button plain"
              href={`/api/export${queryString({ ...apiQuery(), format: 'csv' })}`}
              download="alerts.csv"
            >
              <Icon name="download" /> CSV
            </a>
          </div>
          {error !== null && !('offset' in error && (error as { status?: number }).status === 400) ? (
            <Failure error={error} retry={reload} />
          ) : null}
          {view === 'groups' ? <Groups data={data} sort={sort} reload={reload} /> : <Alerts />}
        </div>
      </div>
    </>
  );
}

const WELCOMED = 'welcomed';
const welcomed = signal(localStorage.getItem(WELCOMED) !== null);

/** For who is here for the first time: what this is and what to do next. Gone for good once it is closed. */
function Welcome({ data }: { data: Inbox | null }) {
  if (welcomed.value || data === null || data.groupCount === 0) return null;
  const close = () => {
    localStorage.setItem(WELCOMED, 'yes');
    welcomed.value = true;
  };
  return (
    <section class="welcome" aria-label="First steps">
      <ol>
        <li>
          <b>What happened</b> Alerts that are alike are one line, the gravest first.
        </li>
        <li>
          <b>Why</b> Open a line: the rule term by term, the process tree, the system calls around it.
        </li>
        <li>
          <b>Silence it</b> There, <i>Make an exception</i> shows what it would hide before you use it; <i>Mute</i>{' '}
          waits.
        </li>
      </ol>
      <button type="button" class="button plain small" aria-label="Close the first steps" onClick={close}>
        <Icon name="close" />
      </button>
    </section>
  );
}

function Groups({ data, sort, reload }: { data: Inbox | null; sort: string; reload: () => void }) {
  const groups = data?.groups ?? [];
  // The cursor stands on a group, not on a line: when the list changes, it stays with the group.
  const at = useSignal<{ readonly id: number; readonly index: number } | null>(null);
  const selected = useSignal<ReadonlySet<number>>(new Set());
  const muting = useSignal<readonly number[] | null>(null);
  const list = useRef<HTMLElement>(null);
  const kept = groups.findIndex((group) => group.id === at.value?.id);
  const current = kept >= 0 ? kept : Math.min(at.value?.index ?? 0, groups.length - 1);
  const targets = (): number[] => {
    if (selected.value.size > 0) return [...selected.value];
    const group = groups[current];
    return group === undefined ? [] : [group.id];
  };
  const done = () => {
    selected.value = new Set();
    reload();
  };
  const move = (by: number) => {
    const index = Math.max(0, Math.min(groups.length - 1, current + by));
    at.value = { id: groups[index]?.id ?? 0, index };
    list.current?.querySelectorAll('.row')[index]?.scrollIntoView({ block: 'nearest' });
  };
  const toggle = (id: number) => {
    const next = new Set(selected.value);
    if (!next.delete(id)) next.add(id);
    selected.value = next;
  };
  const allowed = may('analyst');
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => groups[current] !== undefined && go(`/groups/${groups[current].id}`),
    x: () => groups[current] !== undefined && toggle(groups[current].id),
    Escape: () => {
      selected.value = new Set();
    },
    ...(allowed
      ? {
          e: () => void triage(targets(), { action: 'acknowledge' }, done),
          r: () => void triage(targets(), { action: 'resolve' }, done),
          m: () => {
            if (targets().length > 0) muting.value = targets();
          },
        }
      : {}),
  });
  if (data !== null && groups.length === 0) {
    const { q, state } = currentFilter();
    return (
      <div class="rows">
        {q !== '' ? (
          <Empty title="Nothing matches" icon="search">
            No alert in this time and state matches the query.
            <br />
            <button type="button" class="button" onClick={() => go(withQuery({ q: null, state: 'all' }))}>
              Show everything
            </button>
          </Empty>
        ) : data.states.muted + data.states.resolved > 0 && state !== 'all' ? (
          <Empty title="All done" icon="resolve">
            Every group in this time is muted or resolved.
            <br />
            <button type="button" class="button" onClick={() => go(withQuery({ state: 'all' }))}>
              Show them
            </button>
          </Empty>
        ) : (
          <Empty title="No alerts in this time" icon="inbox">
            To watch this host, run <code>windhover up</code>. To send alerts here from elsewhere, set{' '}
            <code>http_output.url</code> of a sensor, or the <code>webui.url</code> of a forwarder, to{' '}
            <code>{location.origin}/api/v1/</code> with a token of the role “ingest” as password.
            <br />
            <button type="button" class="button" onClick={() => go(withQuery({ range: '90d', from: null, to: null }))}>
              Look at the last 90 days
            </button>
          </Empty>
        )}
      </div>
    );
  }
  const header = (name: string, label: string) => (
    <button type="button" aria-pressed={sort === name} onClick={() => go(withQuery({ sort: name }))}>
      {label}
      {sort === name ? ' ↓' : ''}
    </button>
  );
  return (
    <>
      {selected.value.size > 0 ? (
        <fieldset class="selection" aria-label="Chosen groups">
          <b>{selected.value.size} chosen</b>
          <button
            type="button"
            class="button small"
            onClick={() => void triage(targets(), { action: 'acknowledge' }, done)}
          >
            Acknowledge
          </button>
          <button type="button" class="button small" onClick={() => (muting.value = targets())}>
            Mute
          </button>
          <button
            type="button"
            class="button small"
            onClick={() => void triage(targets(), { action: 'resolve' }, done)}
          >
            Resolve
          </button>
          {selected.value.size > 1 ? (
            <button
              type="button"
              class="button small"
              onClick={async () => {
                const [into = 0, ...from] = targets();
                try {
                  await call('POST /api/merge', { body: { into, from } });
                  say(`Merged ${from.length + 1} groups.`);
                  done();
                } catch (error) {
                  say((error as Error).message);
                }
              }}
            >
              <Icon name="merge" /> Merge
            </button>
          ) : null}
          <button type="button" class="button plain small" onClick={() => (selected.value = new Set())}>
            Clear
          </button>
        </fieldset>
      ) : null}
      <div class="columns">
        <span />
        <span />
        {header('priority', 'Group')}
        <span>Over the time</span>
        <span class="right">{header('count', 'Alerts')}</span>
        <span class="right">{header('last', 'Last seen')}</span>
        <span class="right">State</span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse. */}
      <section class="rows" ref={list} aria-label="Groups" tabIndex={0}>
        {groups.map((group, i) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the link inside is the way of the keyboard, and Enter is.
          // biome-ignore lint/a11y/noStaticElementInteractions: as above.
          <div
            key={group.id}
            class="row"
            data-at={i === current}
            data-selected={selected.value.has(group.id)}
            onClick={(event) => {
              if ((event.target as Element).closest('a, input') === null) go(`/groups/${group.id}`);
            }}
          >
            <input
              type="checkbox"
              class="check"
              aria-label={`Choose ${group.rule}`}
              checked={selected.value.has(group.id)}
              onClick={() => toggle(group.id)}
            />
            <Mark priority={group.priority} />
            <div style={{ minWidth: 0 }}>
              <div class="title">
                <a href={`/groups/${group.id}`}>{visible(group.rule)}</a>
                <span class="what mono">{visible(group.what)}</span>
              </div>
              <div class="where">{whereOf(group)}</div>
            </div>
            <Sparkline values={group.spark} label={`${number(group.count)} alerts in this time`} />
            <span class="count" title={`${number(group.count)} in this time, ${number(group.total)} ever`}>
              {short(group.count)}
            </span>
            <span class="when">
              <When time={group.lastSeen} />
            </span>
            <span class="state">
              {group.assignee === null ? null : <Person name={group.assignee} />}
              <StateTag state={group.state} reopened={group.reopened} until={group.mutedUntil} />
            </span>
          </div>
        ))}
      </section>
      {muting.value === null ? null : (
        <MuteDialog groups={muting.value} onDone={done} onClose={() => (muting.value = null)} />
      )}
    </>
  );
}

/** One line of an alert, in lists and in the live tail. */
export function AlertLine({ row, at = false }: { row: AlertRow; at?: boolean }) {
  const { alert } = row;
  const fields = alert.output_fields ?? {};
  const message = (alert.output ?? '').replace(/^\d\d:\d\d:\d\d\.\d+: [A-Z][a-z]+ /, '');
  const what = text(fields['proc.cmdline']) || text(fields['ka.uri']);
  const container = text(fields['container.name']);
  const where = text(fields['k8s.pod.name']) || (container === 'host' ? '' : container) || alert.hostname || '';
  return (
    <a class="line" href={`/groups/${row.group}?alert=${row.id}`} data-at={at}>
      <time dateTime={new Date(row.time).toISOString()} title={stamp(row.time)}>
        {clock(row.time)}.{String(Math.floor(row.time % 1000)).padStart(3, '0')}
      </time>
      <Mark priority={alert.priority} />
      <span class="rule">{visible(alert.rule)}</span>
      <span class="where">{visible(where)}</span>
      <span class="output" title={visible(message.slice(0, 1000))}>
        {what === '' ? visible(message.slice(0, 600)) : <span class="mono">{visible(what.slice(0, 400))}</span>}
        {what === '' ? null : ` ${visible((message.split(/ \| | \(/)[0] ?? '').slice(0, 200))}`}
      </span>
    </a>
  );
}

function Alerts() {
  const rows = useSignal<readonly AlertRow[]>([]);
  const next = useSignal<string | null>(null);
  const stopped = useSignal(false);
  const loading = useSignal(false);
  const problem = useSignal<Error | null>(null);
  const at = useSignal(0);
  const box = useRef<HTMLElement>(null);
  const filter = currentFilter();
  const key = `${filter.q} ${filter.range ?? `${filter.from}-${filter.to}`}`;
  const load = async (before: string | null) => {
    loading.value = true;
    try {
      const { state: _, ...query } = apiQuery();
      const page = await call('GET /api/alerts', { query: { ...query, limit: 200, before } });
      rows.value = before === null ? page.alerts : [...rows.value, ...page.alerts];
      next.value = page.next;
      stopped.value = page.stopped;
      problem.value = null;
    } catch (error) {
      problem.value = error as Error;
    }
    loading.value = false;
  };
  useEffect(() => {
    void load(null);
  }, [key]);
  const move = (by: number) => {
    at.value = Math.max(0, Math.min(rows.value.length - 1, at.value + by));
    box.current?.querySelectorAll('.line')[at.value]?.scrollIntoView({ block: 'nearest' });
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    Enter: () => {
      const row = rows.value[at.value];
      if (row !== undefined) go(`/groups/${row.group}?alert=${row.id}`);
    },
  });
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse.
    <section class="rows" ref={box} aria-label="Alerts" tabIndex={0}>
      {problem.value === null ? null : <Failure error={problem.value} retry={() => void load(null)} />}
      {rows.value.map((row, i) => (
        <AlertLine key={row.id} row={row} at={i === at.value} />
      ))}
      {rows.value.length === 0 && !loading.value && problem.value === null && next.value === null ? (
        <Empty title="Nothing matches" icon="search">
          No alert in this time matches the query.
        </Empty>
      ) : null}
      {next.value === null ? null : (
        <div class="empty" style={{ padding: '18px' }}>
          {stopped.value ? 'Searched part of the time so far. ' : null}
          <button type="button" class="button" disabled={loading.value} onClick={() => void load(next.value)}>
            {stopped.value ? 'Search on' : 'Load more'}
          </button>
        </div>
      )}
    </section>
  );
}

/** Reads what a line of the live stream holds. */
export const parseLive = (data: string): { alerts: AlertRow[]; dropped: number } => parseJson(data);
