import { useSignal } from '@preact/signals';
import type { TriageRequest } from '../../src/server/api.ts';
import { call } from './client.ts';
import { Dialog, Field, messageOf } from './parts.tsx';
import { session } from './session.ts';
import { say } from './toast.tsx';

type Change<T = TriageRequest> = T extends unknown ? Omit<T, 'groups'> : never;

const DONE: Readonly<Record<TriageRequest['action'], string>> = {
  acknowledge: 'Acknowledged',
  resolve: 'Resolved',
  reopen: 'Reopened',
  mute: 'Muted',
  assign: 'Assigned',
  comment: 'Comment added',
};

/** Changes the state of groups and says so; `done` is called after it, and after it was undone. */
export async function triage(groups: readonly number[], change: Change, done: () => void): Promise<void> {
  if (groups.length === 0) return;
  const send = (body: Change) => call('POST /api/triage', { body: { ...body, groups } as TriageRequest });
  try {
    await send(change);
    const undoable = change.action === 'acknowledge' || change.action === 'resolve' || change.action === 'mute';
    say(
      `${DONE[change.action]}${groups.length > 1 ? ` ${groups.length} groups` : ''}.`,
      undoable ? () => void send({ action: 'reopen' }).then(done, (error) => say(messageOf(error))) : null,
    );
    done();
  } catch (error) {
    say(messageOf(error));
  }
}

export const assignToMe = (groups: readonly number[], done: () => void) =>
  triage(groups, { action: 'assign', assignee: session.value?.name ?? null }, done);

const HOURS: readonly (readonly [hours: number | null, label: string])[] = [
  [1, '1 hour'],
  [8, '8 hours'],
  [24, '1 day'],
  [168, '1 week'],
  [null, 'for good'],
];

/** Asks how long groups shall be muted. Muted groups are still counted, and still forwarded. */
export function MuteDialog({
  groups,
  onDone,
  onClose,
}: {
  groups: readonly number[];
  onDone: () => void;
  onClose: () => void;
}) {
  const count = useSignal('');
  const mute = (hours: number | null) => {
    const limit = Number(count.value);
    void triage(
      groups,
      {
        action: 'mute',
        until: hours === null ? null : Date.now() + hours * 3_600_000,
        count: Number.isInteger(limit) && limit > 0 ? limit : null,
      },
      onDone,
    );
    onClose();
  };
  return (
    <Dialog
      title={groups.length > 1 ? `Mute ${groups.length} groups` : 'Mute this group'}
      width={420}
      onClose={onClose}
    >
      <p class="soft">A muted group leaves the inbox. Its alerts are still kept, counted and forwarded.</p>
      <Field
        label="Open it again after this many more alerts"
        inputMode="numeric"
        placeholder="never by number"
        value={count.value}
        onInput={(value) => (count.value = value)}
      />
      <div class="chips">
        {HOURS.map(([hours, label]) => (
          <button key={label} type="button" class="button" onClick={() => mute(hours)}>
            {label}
          </button>
        ))}
      </div>
    </Dialog>
  );
}
