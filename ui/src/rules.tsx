import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { Backtest, RuleCheck, RuleFile, RuleRow } from '../../src/server/api.ts';
import { call } from './client.ts';
import type { Editor } from './editor.ts';
import { download } from './exception.tsx';
import { number, quoted, visible } from './format.ts';
import { Empty, Failure, Icon, messageOf, PriorityName, Share, useLoad, When } from './parts.tsx';
import { go, place } from './router.ts';
import { may } from './session.ts';
import { say } from './toast.tsx';

const NEW_RULE = `- rule: My rule
  desc: What it finds, and why that matters
  condition: evt.type in (execve, execveat) and proc.name = nc
  output: A network tool ran | process=%proc.name command=%proc.cmdline parent=%proc.pname user=%user.name
  priority: WARNING
  tags: [mitre_execution, T1059]
`;

export function RulesPage() {
  const { query } = place.value;
  const file = query.get('file');
  const rule = query.get('rule');
  const { data, error, reload } = useLoad('rules', (signal) => call('GET /api/rules', { signal }));
  if (error !== null) return <Failure error={error} retry={reload} />;
  if (data === null) return <div class="page" aria-busy="true" />;
  const wanted = rule === null ? undefined : data.rules.find((one) => one.name === rule);
  const chosen = file ?? (wanted !== undefined && wanted.file !== '' ? wanted.file : null);
  if (chosen !== null) {
    const known = data.files.find((one) => one.name === chosen) ?? {
      name: chosen,
      text: NEW_RULE,
      saved: false,
      time: null,
      who: null,
    };
    return (
      <RuleEditor key={chosen} file={known} line={wanted?.line ?? Number(query.get('line') ?? 1)} reload={reload} />
    );
  }
  return <RuleList rules={data.rules} files={data.files} missing={rule} />;
}

function RuleList({
  rules,
  files,
  missing,
}: {
  rules: readonly RuleRow[];
  files: readonly RuleFile[];
  missing: string | null;
}) {
  const words = useSignal(missing ?? '');
  const shown = rules.filter((rule) =>
    `${rule.name} ${rule.tags.join(' ')} ${rule.file}`.toLowerCase().includes(words.value.toLowerCase()),
  );
  const costs = rules.some((rule) => rule.cost !== null);
  const total = Math.max(
    1,
    rules.reduce((sum, rule) => sum + rule.hits, 0),
  );
  return (
    <>
      <header class="head">
        <h1 class="grow">Rules</h1>
        <input
          class="input"
          type="search"
          aria-label="Find a rule"
          placeholder="Find a rule, tag or file"
          value={words.value}
          onInput={(event) => (words.value = event.currentTarget.value)}
        />
        {may('analyst') ? (
          <a class="button primary" href="/rules?file=custom.yaml">
            New rule
          </a>
        ) : null}
      </header>
      <div class="page">
        <div class="content">
          {files.length === 0 ? (
            <p class="soft" style={{ marginBottom: '14px' }}>
              The hub was started without rule files, so only rules that have fired are known. Start it with{' '}
              <code>--rules FILE</code> to see all of them, explain alerts and try exceptions.
            </p>
          ) : (
            <p class="chips" style={{ marginBottom: '14px' }}>
              {files.map((file) => (
                <a key={file.name} class="button small" href={`/rules?file=${encodeURIComponent(file.name)}`}>
                  <Icon name="rules" /> {file.name}
                  {file.saved ? <span class="faint">saved by {file.who}</span> : null}
                </a>
              ))}
            </p>
          )}
          {shown.length === 0 ? (
            <Empty title="No rule matches" icon="rules">
              Try another word, or none.
            </Empty>
          ) : (
            <table class="table">
              <thead>
                <tr>
                  <th>Rule</th>
                  <th>Priority</th>
                  <th>Tags</th>
                  <th class="right">Alerts, 7 days</th>
                  <th style={{ width: '110px', minWidth: '90px' }}>Share</th>
                  <th class="right">Groups</th>
                  {costs ? <th class="right">Cost</th> : null}
                  <th class="right">Last fired</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((rule) => (
                  <tr key={rule.name}>
                    <td>
                      <a
                        href={
                          rule.file === ''
                            ? `/?q=${encodeURIComponent(`rule = ${quoted(rule.name)}`)}&state=all&range=7d`
                            : `/rules?rule=${encodeURIComponent(rule.name)}`
                        }
                      >
                        <b>{visible(rule.name)}</b>
                      </a>{' '}
                      {rule.enabled ? null : <span class="tagged">off</span>}
                      <div class="faint">{visible(rule.description.slice(0, 160))}</div>
                    </td>
                    <td class="tight">
                      {rule.priority === null ? (
                        <span class="faint">not loaded</span>
                      ) : (
                        <PriorityName priority={rule.priority} />
                      )}
                    </td>
                    <td>
                      <span class="chips">
                        {rule.tags
                          .filter((tag) => /^T\d|^mitre_/.test(tag))
                          .map((tag) => (
                            <span class="chip" key={tag}>
                              {tag.replace('mitre_', '')}
                            </span>
                          ))}
                      </span>
                    </td>
                    <td class="right">
                      {rule.hits === 0 ? (
                        <span class="faint">0</span>
                      ) : (
                        <a href={`/?q=${encodeURIComponent(`rule = ${quoted(rule.name)}`)}&state=all&range=7d`}>
                          {number(rule.hits)}
                        </a>
                      )}
                    </td>
                    <td>
                      <Share part={rule.hits / total} of="all alerts" />
                    </td>
                    <td class="right">{rule.groups}</td>
                    {costs ? (
                      <td class="right tight">
                        {rule.cost === null ? <span class="faint">–</span> : `${Math.round(rule.cost)} ns`}
                      </td>
                    ) : null}
                    <td class="right tight">
                      {rule.lastFired === null ? <span class="faint">never</span> : <When time={rule.lastFired} />}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          )}
        </div>
      </div>
    </>
  );
}

function RuleEditor({ file, line, reload }: { file: RuleFile; line: number; reload: () => void }) {
  const box = useRef<HTMLDivElement>(null);
  const editor = useRef<Editor | null>(null);
  const name = useSignal(/\.ya?ml$/.test(file.name) ? file.name : `${file.name}.yaml`);
  const check = useSignal<RuleCheck | null>(null);
  const problem = useSignal<string | null>(null);
  const result = useSignal<Backtest | null>(null);
  const trying = useSignal(false);
  const changed = useSignal(false);
  const allowed = may('analyst');

  const verify = async () => {
    const text = editor.current?.text();
    if (text === undefined || !allowed) return;
    try {
      const found = await call('POST /api/rules/check', { body: { name: name.value, text } });
      check.value = found;
      problem.value = null;
      editor.current?.mark(found.problems);
    } catch (error) {
      problem.value = messageOf(error);
    }
  };

  useEffect(() => {
    let timer = 0;
    let gone = false;
    void Promise.all([import('./editor.ts'), call('GET /api/rules/fields', {})]).then(([{ createEditor }, fields]) => {
      if (gone || box.current === null) return;
      editor.current = createEditor(
        box.current,
        file.text,
        fields,
        () => [],
        () => {
          changed.value = editor.current?.text() !== file.text;
          clearTimeout(timer);
          timer = window.setTimeout(() => void verify(), 350);
        },
      );
      if (line > 1) editor.current.jump(line, 1);
      void verify();
    });
    return () => {
      gone = true;
      clearTimeout(timer);
      editor.current?.destroy();
    };
  }, []);

  const backtest = async () => {
    trying.value = true;
    try {
      result.value = await call('POST /api/rules/backtest', {
        body: { name: name.value, text: editor.current?.text() ?? '', days: 7 },
      });
    } catch (error) {
      say(messageOf(error));
    }
    trying.value = false;
  };
  const save = async () => {
    try {
      await call('PUT /api/rules/files/:name', {
        path: { name: name.value },
        body: { text: editor.current?.text() ?? '' },
      });
      say('Saved. Sensors load it when it is deployed to them.');
      changed.value = false;
      reload();
    } catch (error) {
      say(messageOf(error));
    }
  };
  const problems = check.value?.problems ?? [];
  const errors = problems.filter((one) => one.severity === 'error').length;
  return (
    <>
      <header class="head">
        <a class="button plain small" href="/rules">
          <Icon name="left" /> Rules
        </a>
        <h1 class="grow mono" style={{ fontSize: '14px' }}>
          {name.value}
          {changed.value ? <span class="faint"> · changed</span> : null}
        </h1>
        <button type="button" class="button" onClick={() => download(name.value, editor.current?.text() ?? '')}>
          <Icon name="download" /> Download
        </button>
        <button type="button" class="button" disabled={!allowed || trying.value || errors > 0} onClick={backtest}>
          <Icon name="play" /> {trying.value ? 'Trying…' : 'Back-test'}
        </button>
        <button type="button" class="button primary" disabled={!allowed || errors > 0} onClick={save}>
          Save
        </button>
      </header>
      <div class="editing">
        <div class="editor" ref={box} />
        <div class="beside">
          <section aria-label="Problems" aria-live="polite">
            <h2>Problems</h2>
            {allowed ? null : <p class="missing">Checking and saving is for analysts.</p>}
            {problem.value === null ? null : <p class="bad">{problem.value}</p>}
            {check.value !== null && problems.length === 0 ? (
              <p class="good ok" style={{ marginTop: '6px' }}>
                <Icon name="check" /> Loads: {number(check.value.rules)} rules in all files together.
              </p>
            ) : null}
            <ul style={{ marginTop: '6px' }}>
              {problems.slice(0, 200).map((one, i) => (
                <li key={i}>
                  <button
                    type="button"
                    class={`problem ${one.severity}`}
                    onClick={() => editor.current?.jump(one.line, one.column)}
                  >
                    <Icon name={one.severity === 'error' ? 'error' : 'warn'} />
                    <span>
                      {visible(one.message)}
                      <small>
                        line {one.line} · {one.code}
                      </small>
                    </span>
                  </button>
                </li>
              ))}
            </ul>
          </section>
          <section aria-label="Back-test" aria-live="polite">
            <h2>Back-test</h2>
            {result.value === null ? (
              <p class="missing" style={{ marginTop: '6px' }}>
                Tries the rules of this file on the alerts of the last 7 days: which would come again, which would be
                gone.
              </p>
            ) : (
              <table class="table">
                <thead>
                  <tr>
                    <th>Rule</th>
                    <th class="right">Same</th>
                    <th class="right">Gone</th>
                    <th class="right" title="In the latest recordings">
                      New
                    </th>
                    <th class="right" title="The alert does not carry a field that the condition asks for">
                      Open
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {result.value.rules.map((rule) => (
                    <tr key={rule.rule}>
                      <td>
                        {visible(rule.rule)}
                        {rule.examples.map((example) => (
                          <div key={example.id}>
                            <a class="mono" href={`/alerts/${example.id}`}>
                              − {visible(example.what.slice(0, 60)) || `alert ${example.id}`}
                            </a>
                          </div>
                        ))}
                      </td>
                      <td class="right">{number(rule.unchanged)}</td>
                      <td class="right">{rule.gone === 0 ? 0 : <b class="bad">{number(rule.gone)}</b>}</td>
                      <td class="right">{rule.added === 0 ? 0 : <b>{number(rule.added)}</b>}</td>
                      <td class="right">{number(rule.unknown)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            )}
            {result.value !== null ? (
              <p class="missing" style={{ marginTop: '6px' }}>
                {result.value.captures === 0
                  ? 'Stored alerts tell what a change silences; what it would newly find takes recordings, and there are none here.'
                  : `“New” is what the text finds in the latest ${result.value.captures === 1 ? 'recording' : `${result.value.captures} recordings`} and the present rules do not.`}
              </p>
            ) : null}
          </section>
          {file.saved && allowed ? (
            <button
              type="button"
              class="button danger"
              onClick={async () => {
                try {
                  await call('DELETE /api/rules/files/:name', { path: { name: file.name } });
                  say('Removed.');
                  reload();
                  go('/rules');
                } catch (error) {
                  say(messageOf(error));
                }
              }}
            >
              Remove the saved file
            </button>
          ) : null}
        </div>
      </div>
    </>
  );
}
