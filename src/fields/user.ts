import type { State, User } from '../state/index.ts';
import { type Field, rowMaker } from './field.ts';
import { NOT_AVAILABLE } from './params.ts';

const NONE = 0xffffffff;

/** Root is root everywhere, also where no list of users is known. */
const ROOT: User = { uid: 0, gid: 0, name: 'root', home: '/root', shell: NOT_AVAILABLE };
const UNKNOWN: User = { uid: NONE, gid: NONE, name: NOT_AVAILABLE, home: NOT_AVAILABLE, shell: NOT_AVAILABLE };

function userOf(state: State, uid: number): User {
  const user = uid === NONE ? null : state.thread === null ? null : state.userOf(state.thread, uid);
  return user ?? (uid === 0 ? ROOT : UNKNOWN);
}

const row = rowMaker('user', { sources: ['syscall'] });

const ofUser =
  (read: (user: User) => string) =>
  (_: unknown, state: State): string | null =>
    state.thread === null ? null : read(userOf(state, state.thread.uid)) || NOT_AVAILABLE;

export const USER_FIELDS: readonly Field[] = [
  row(
    'user.uid',
    'UINT32',
    'thread',
    'Id of the user for whom the process acts.',
    (_, state) => state.thread?.uid ?? null,
  ),
  row(
    'user.name',
    'CHARBUF',
    'thread',
    "Name of that user, in a container by the container's own list.",
    ofUser((user) => user.name),
  ),
  row(
    'user.homedir',
    'CHARBUF',
    'thread',
    'Home directory of that user.',
    ofUser((user) => user.home),
  ),
  row(
    'user.shell',
    'CHARBUF',
    'thread',
    'Login shell of that user.',
    ofUser((user) => user.shell),
  ),
  row(
    'user.loginuid',
    'INT64',
    'thread',
    'Id of the user who logged in, whatever became of the process since; -1 when nobody did.',
    (_, state) => (state.thread === null ? null : state.thread.loginuid === NONE ? -1 : state.thread.loginuid),
  ),
  row('user.loginname', 'CHARBUF', 'thread', 'Name of the user who logged in.', (_, state) =>
    state.thread === null ? null : userOf(state, state.thread.loginuid).name || NOT_AVAILABLE,
  ),
];

const groupRow = rowMaker('group', { sources: ['syscall'] });

export const GROUP_FIELDS: readonly Field[] = [
  groupRow(
    'group.gid',
    'UINT32',
    'thread',
    'Id of the group for which the process acts.',
    (_, state) => state.thread?.gid ?? null,
  ),
  groupRow('group.name', 'CHARBUF', 'thread', 'Name of that group.', (_, state) => {
    const thread = state.thread;
    if (thread === null) return null;
    return state.groupOf(thread, thread.gid) || (thread.gid === 0 ? 'root' : NOT_AVAILABLE);
  }),
];
