import { signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { FacetName, Facets } from '../../src/server/api.ts';
import { CallError } from './client.ts';
import { quoted, short, stamp } from './format.ts';
import { Icon, Mark } from './parts.tsx';
import { go, place, withQuery } from './router.ts';

/** Length of a range that moves with the clock, in milliseconds, by its name in the address. */
export const RANGES: Readonly<Record<string, { readonly length: number; readonly label: string }>> = {
  '15m': { length: 900_000, label: 'Last 15 minutes' },
  '1h': { length: 3_600_000, label: 'Last hour' },
  '6h': { length: 21_600_000, label: 'Last 6 hours' },
  '24h': { length: 86_400_000, label: 'Last 24 hours' },
  '7d': { length: 604_800_000, label: 'Last 7 days' },
  '30d': { length: 2_592_000_000, label: 'Last 30 days' },
  '90d': { length: 7_776_000_000, label: 'Last 90 days' },
};

/** The range of an address that names none: a day, or an hour while a hub holds nothing older. */
export const usual = signal<'24h' | '1h'>('24h');

/** What the address says is looked at; times in milliseconds, `to` null for "until now". */
export function currentFilter(): { q: string; from: number; to: number | null; range: string | null; state: string } {
  const { query } = place.value;
  const from = Number(query.get('from') ?? Number.NaN);
  const to = Number(query.get('to') ?? Number.NaN);
  const q = query.get('q') ?? '';
  const state = query.get('state') ?? 'open,acknowledged';
  if (Number.isFinite(from) && Number.isFinite(to)) return { q, from, to, range: null, state };
  const range = query.get('range') ?? usual.value;
  const { length } = RANGES[range] ?? { length: 86_400_000 };
  return { q, from: Math.floor((Date.now() - length) / 1000) * 1000, to: null, range, state };
}

/** The bar of every view of alerts: query and time. */
export function FilterBar({ error, time = true }: { error: Error | null; time?: boolean }) {
  const { q, from, to, range } = currentFilter();
  const typed = useSignal(q);
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    typed.value = q;
  }, [q]);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      if (event.key !== '/' || /^(INPUT|TEXTAREA|SELECT)$/.test((event.target as Element).tagName)) return;
      if (document.querySelector('dialog[open]') !== null) return;
      event.preventDefault();
      input.current?.focus();
      input.current?.select();
    };
    document.addEventListener('keydown', focus);
    return () => document.removeEventListener('keydown', focus);
  }, []);
  const bad = error instanceof CallError && error.status === 400;
  return (
    <>
      <search>
        <form
          class="bar"
          onSubmit={(event) => {
            event.preventDefault();
            go(withQuery({ q: typed.value.trim() }));
          }}
        >
          <div class="query" data-bad={bad}>
            <Icon name="search" />
            <input
              ref={input}
              class="input"
              aria-label="Query"
              aria-invalid={bad}
              placeholder="proc.name in (nc, ncat) and not namespace = kube-system     or just words"
              value={typed.value}
              spellcheck={false}
              autocomplete="off"
              onInput={(event) => {
                typed.value = event.currentTarget.value;
              }}
              onKeyDown={(event) => {
                if (event.key === 'Escape') event.currentTarget.blur();
              }}
            />
            {typed.value === '' ? null : (
              <button
                type="button"
                class="button plain small clear"
                aria-label="Clear the query"
                onClick={() => {
                  typed.value = '';
                  go(withQuery({ q: null }));
                }}
              >
                <Icon name="close" />
              </button>
            )}
          </div>
          {time ? (
            <select
              class="input"
              aria-label="Time"
              value={range ?? 'chosen'}
              onChange={(event) => {
                const { value } = event.currentTarget;
                if (value !== 'chosen') go(withQuery({ range: value, from: null, to: null }));
              }}
            >
              {range === null && to !== null ? (
                <option value="chosen">
                  {stamp(from).slice(5, 16)} – {stamp(to).slice(5, 16)}
                </option>
              ) : null}
              {Object.entries(RANGES).map(([name, { label }]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          ) : null}
        </form>
      </search>
      {bad ? (
        <div class="complaint" role="alert">
          {error.offset === undefined ? null : (
            <pre aria-hidden="true">{`${q}\n${' '.repeat(Math.min(error.offset, q.length))}▲`}</pre>
          )}
          {error.message}
        </div>
      ) : null}
    </>
  );
}

const TITLES: readonly (readonly [FacetName, string])[] = [
  ['priority', 'Priority'],
  ['rule', 'Rule'],
  ['namespace', 'Namespace'],
  ['workload', 'Workload'],
  ['host', 'Host'],
  ['image', 'Image'],
  ['tactic', 'Tactic'],
  ['source', 'Source'],
];

const tacticTag = (name: string) => `mitre_${name.toLowerCase().replaceAll(' ', '_')}`;

/** The term that a value of a facet stands for in the query. */
export function termOf(facet: FacetName, value: string): string {
  if (facet === 'tactic') return `tags intersects (${tacticTag(value)})`;
  return `${facet} = ${quoted(value)}`;
}

/** The terms of a query that are joined by `and` outside quotes and brackets. */
function termsOf(query: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let term = '';
  for (const [part] of query.matchAll(/"(?:\\.|[^"])*"|\s+and\s+|[()]|[^"()\s]+|\s+|"/g)) {
    if (part === '(') depth++;
    if (part === ')') depth--;
    if (depth === 0 && /^\s+and\s+$/.test(part)) {
      out.push(term.trim());
      term = '';
    } else term += part;
  }
  if (term.trim() !== '') out.push(term.trim());
  return out;
}

/** The query with a term added, or taken away when it is there. Words alone become a term first. */
export function toggled(query: string, term: string): string {
  const terms = termsOf(query);
  const at = terms.indexOf(term);
  if (at >= 0) return terms.filter((_, i) => i !== at).join(' and ');
  if (query === '') return term;
  const words = !/[=<>!]|\b(and|or|not|in|exists|intersects|pmatch|i?contains|startswith|endswith|i?glob|regex)\b/.test(
    query,
  );
  if (words) return `text = ${quoted(query)} and ${term}`;
  return / or /.test(query) ? `(${query}) and ${term}` : `${query} and ${term}`;
}

export function FacetPanel({ facets }: { facets: Facets }) {
  const { q } = currentFilter();
  const open = useSignal<ReadonlySet<FacetName>>(new Set());
  const terms = termsOf(q);
  return (
    <aside class="facets" aria-label="Facets">
      {TITLES.map(([name, title]) => {
        const all = facets[name];
        // One source says nothing; a chosen value must stay to be taken away.
        if (all.length === 0 || (name === 'source' && all.length === 1)) return null;
        const shown = open.value.has(name) ? all : all.slice(0, name === 'priority' ? 8 : 6);
        return (
          <section class="facet" key={name}>
            <h3>{title}</h3>
            <ul>
              {shown.map(({ value, n }) => {
                const term = termOf(name, value);
                return (
                  <li key={value}>
                    <button
                      type="button"
                      class="value"
                      aria-pressed={terms.includes(term)}
                      onClick={() => go(withQuery({ q: toggled(q, term) }))}
                      title={value}
                    >
                      {name === 'priority' ? <Mark priority={value} quiet /> : null}
                      <span class="name">{value}</span>
                      <span class="n">{short(n)}</span>
                    </button>
                  </li>
                );
              })}
            </ul>
            {all.length > shown.length ? (
              <button
                type="button"
                class="button plain small more"
                onClick={() => {
                  open.value = new Set([...open.value, name]);
                }}
              >
                {all.length - shown.length} more
              </button>
            ) : null}
          </section>
        );
      })}
    </aside>
  );
}
