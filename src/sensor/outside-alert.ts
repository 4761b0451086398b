import { fromByteString } from '../bytes.ts';
import type { Event } from '../event/index.ts';
import type { State } from '../state/index.ts';
import type { BehaviourKind } from './behaviour.ts';
import type { InternalAlert } from './internal-alert.ts';

const VERBS: Readonly<Record<BehaviourKind, string>> = {
  programs: 'started the program',
  writes: 'wrote in',
  reads: 'read in',
  network: 'sent to',
};

/** The alert for something that a lock file does not allow. */
export function outsideAlert(kind: BehaviourKind, item: string, event: Event, { thread, fd }: State): InternalAlert {
  const name = fromByteString(thread?.comm ?? '');
  return {
    rule: 'Behaviour outside the lock file',
    priority: 'Warning',
    message: `Behaviour outside the lock file: ${name} ${VERBS[kind]} ${item}`,
    source: 'syscall',
    time: event.ts,
    fields: {
      'evt.num': event.num,
      'evt.type': event.info.name,
      'proc.name': name,
      'proc.exepath': fromByteString(thread?.exepath ?? ''),
      'proc.cmdline': fromByteString(thread?.cmdline ?? ''),
      'proc.pid': thread?.pid ?? -1,
      ...(kind === 'programs' || fd === null ? {} : { 'fd.name': fromByteString(fd.name) }),
      'lock.kind': kind,
      'lock.item': item,
    },
  };
}
