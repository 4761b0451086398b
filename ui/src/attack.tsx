import { useSignal } from '@preact/signals';
import type { AttackMatrix } from '../../src/server/api.ts';
import { call } from './client.ts';
import { RANGES } from './filter.tsx';
import { number, short } from './format.ts';
import { Failure, useLoad } from './parts.tsx';

type Technique = AttackMatrix['tactics'][number]['techniques'][number];

const counted = (n: string, what: string) => `${n} ${what}${n === '1' ? '' : 's'}`;

function Cell({ technique }: { technique: Technique }) {
  const { id, rules, fired } = technique;
  // A long name may break after its slash.
  const name = technique.name.replaceAll('/', '/\u200b');
  if (rules.length === 0) {
    return (
      <div class="cell silent" title={`${id} ${name}: no rule`}>
        {name}
        <span class="meta">
          <span>{id}</span>
          <span>no rule</span>
        </span>
      </div>
    );
  }
  // A sub-technique counts here, so the rules are named rather than the tag.
  const query = `rule in (${rules.map((rule) => `"${rule.replaceAll('"', '\\"')}"`).join(', ')})`;
  return (
    <a
      class={`cell ${fired > 0 ? 'fired' : 'covered'}`}
      href={`/?q=${encodeURIComponent(query)}&state=all&range=7d`}
      title={`${id} ${name}\n${rules.join('\n')}`}
    >
      {name}
      <span class="meta">
        <span>{id}</span>
        <span>{fired > 0 ? counted(short(fired), 'alert') : counted(String(rules.length), 'rule')}</span>
      </span>
    </a>
  );
}

export function AttackPage() {
  const range = useSignal('7d');
  const { data, error, reload } = useLoad(`attack ${range.value}`, (signal) =>
    call('GET /api/attack', { query: { from: Date.now() - (RANGES[range.value]?.length ?? 0) }, signal }),
  );
  const all = data?.tactics.flatMap((tactic) => tactic.techniques) ?? [];
  const distinct = (list: Technique[]) => new Set(list.map((technique) => technique.id)).size;
  return (
    <>
      <header class="head">
        <h1 class="grow">ATT&amp;CK coverage</h1>
        <span class="legend">
          <span>
            <i style={{ background: 'color-mix(in srgb, var(--b2) 14%, var(--panel))', borderColor: 'var(--b2)' }} />{' '}
            fired
          </span>
          <span>
            <i style={{ borderColor: 'var(--accent)' }} /> covered
          </span>
          <span>
            <i style={{ borderStyle: 'dashed' }} /> no rule
          </span>
        </span>
        <select
          class="input"
          aria-label="Time"
          value={range.value}
          onChange={(event) => (range.value = event.currentTarget.value)}
        >
          {Object.entries(RANGES).map(([name, { label }]) => (
            <option key={name} value={name}>
              {label}
            </option>
          ))}
        </select>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable without a mouse. */}
      <section class="page" aria-label="Matrix" tabIndex={0}>
        {error === null ? null : <Failure error={error} retry={reload} />}
        {data === null ? null : (
          <p class="soft" style={{ padding: '14px 20px 0' }}>
            Rules cover <b>{distinct(all.filter((technique) => technique.rules.length > 0))}</b> of {distinct(all)}{' '}
            techniques that concern Linux, containers and Kubernetes;{' '}
            <b>{distinct(all.filter((technique) => technique.fired > 0))}</b> fired.
            {data.untagged > 0 ? ` ${number(data.untagged)} alerts are of rules that name no technique.` : ''}
          </p>
        )}
        <div class="matrix">
          {data?.tactics.map((tactic) => (
            <section key={tactic.id} aria-label={tactic.name}>
              <h2>
                {tactic.name}
                <small>
                  {tactic.techniques.filter((technique) => technique.rules.length > 0).length} of{' '}
                  {tactic.techniques.length}
                </small>
              </h2>
              {[...tactic.techniques]
                .sort(
                  (a, b) =>
                    Number(b.fired > 0) - Number(a.fired > 0) ||
                    Number(b.rules.length > 0) - Number(a.rules.length > 0) ||
                    a.name.localeCompare(b.name),
                )
                .map((technique) => (
                  <Cell key={technique.id} technique={technique} />
                ))}
            </section>
          ))}
        </div>
      </section>
    </>
  );
}
