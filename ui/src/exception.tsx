import type { ExceptionProposal } from '../../src/server/api.ts';
import { call } from './client.ts';
import { number, visible } from './format.ts';
import { Dialog, Failure, Icon, messageOf, useLoad } from './parts.tsx';
import { may } from './session.ts';
import { say } from './toast.tsx';

/** Gives a text to the browser as a file. */
export function download(name: string, content: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type: 'application/yaml' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

const WIDTH = {
  narrow: 'Narrow: this very thing',
  medium: 'Medium: this program from this parent',
  wide: 'Wide: whatever this program does',
} as const;

function Proposal({
  proposal,
  rule,
  days,
  onUse,
}: {
  proposal: ExceptionProposal;
  rule: string;
  days: number;
  onUse: (name: string) => void;
}) {
  const all = Math.max(1, proposal.hidden + proposal.remaining);
  return (
    <section class="proposal" aria-label={WIDTH[proposal.width]}>
      <header>
        <h3 class="grow" style={{ color: 'var(--text)', fontSize: '13.5px' }}>
          {WIDTH[proposal.width]}
        </h3>
        <button
          type="button"
          class="button small"
          onClick={() =>
            navigator.clipboard.writeText(proposal.yaml).then(
              () => say('Copied.'),
              () => say('The browser does not let the page copy; download the file.'),
            )
          }
        >
          Copy
        </button>
        <button
          type="button"
          class={`button small ${may('analyst') ? '' : 'primary'}`}
          onClick={() => download(`exception-${proposal.name}.yaml`, proposal.yaml)}
        >
          <Icon name="download" /> Download
        </button>
        {may('analyst') ? (
          <button
            type="button"
            class={`button small ${proposal.width === 'narrow' ? 'primary' : ''}`}
            disabled={proposal.problems.length > 0}
            onClick={() => onUse(proposal.name)}
          >
            <Icon name="check" /> Use it
          </button>
        ) : null}
      </header>
      <div class="share" role="img" aria-label={`hides ${proposal.hidden} of ${all}`}>
        <i style={{ width: `${(proposal.hidden / all) * 100}%` }} />
      </div>
      <div class="numbers">
        <span>
          <b>{number(proposal.hidden)}</b> hidden in {days} days
        </span>
        <span>
          <b>{number(proposal.remaining)}</b> of this rule remain
        </span>
        <span class="soft">
          {Object.entries(proposal.hiddenByPriority)
            .map(([priority, n]) => `${number(n)} ${priority}`)
            .join(', ')}
        </span>
      </div>
      {proposal.warnings.map((warning) => (
        <p class="warning" key={warning}>
          <Icon name="warn" /> {warning}
        </p>
      ))}
      {proposal.problems.map((problem) => (
        <p class="warning" key={problem}>
          <Icon name="warn" /> {problem}
        </p>
      ))}
      <pre class="quote">{visible(proposal.yaml.trimEnd())}</pre>
      {proposal.remainingGroups.length === 0 ? null : (
        <details>
          <summary class="soft">What remains of “{rule}”</summary>
          <ul>
            {proposal.remainingGroups.map((group) => (
              <li key={group.id}>
                <a href={`/groups/${group.id}`} class="mono">
                  {visible(group.what)}
                </a>{' '}
                <span class="faint">{number(group.n)}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

/** Three exceptions for the rule of an alert, with what each would have hidden. */
export function ExceptionDialog({ alert, onClose }: { alert: number; onClose: () => void }) {
  const { data, error, reload } = useLoad(`exceptions ${alert}`, (signal) =>
    call('GET /api/alerts/:id/exceptions', { path: { id: alert }, query: { days: 7 }, signal }),
  );
  const use = async (name: string) => {
    try {
      const { file, rules } = await call('POST /api/alerts/:id/exceptions', { path: { id: alert }, body: { name } });
      say(
        rules
          ? `Written to ${file}; the sensors of this host take it over at once.`
          : `Written to ${file} under Rules. Load it in your sensors too, after the rule's own file.`,
      );
      onClose();
    } catch (problem) {
      say(messageOf(problem));
    }
  };
  return (
    <Dialog
      title={data === null ? 'Make an exception' : `An exception for “${visible(data.rule)}”`}
      width={760}
      onClose={onClose}
    >
      {error === null ? null : <Failure error={error} retry={reload} />}
      {data === null && error === null ? <p class="soft">Trying exceptions against the stored alerts…</p> : null}
      {data?.proposals.length === 0 ? (
        <p class="soft">This alert has no field that tells it from others, so no exception can be made from it.</p>
      ) : null}
      {data?.proposals.map((proposal) => (
        <Proposal
          key={proposal.name}
          proposal={proposal}
          rule={data.rule}
          days={data.days}
          onUse={(name) => void use(name)}
        />
      ))}
      {data === null ? null : (
        <p class="soft">
          <b>Use it</b> adds the exception to <code>exceptions.yaml</code> under <a href="/rules">Rules</a>, where it
          can be changed or taken back. To use a download, load it after the rule's own file (
          <code>-r rules.yaml -r exception.yaml</code>, or one more entry in <code>rules_files</code>).
        </p>
      )}
    </Dialog>
  );
}
