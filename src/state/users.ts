import type { UserOrGroupEntry } from '../scap/entries.ts';

export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly home: string;
  readonly shell: string;
}

/** The users and groups of the host (`''`) and of each container by its id. */
export class Users {
  readonly #users = new Map<string, Map<number, User>>();
  readonly #groups = new Map<string, Map<number, string>>();
  /** Changes whenever a name could read differently. */
  epoch = 0;

  user(container: string, uid: number): User | null {
    return this.#users.get(container)?.get(uid) ?? null;
  }

  group(container: string, gid: number): string | null {
    return this.#groups.get(container)?.get(gid) ?? null;
  }

  addUser(container: string, user: User): void {
    let table = this.#users.get(container);
    if (table === undefined) this.#users.set(container, (table = new Map()));
    table.set(user.uid, user);
    this.epoch++;
  }

  addGroup(container: string, gid: number, name: string): void {
    let table = this.#groups.get(container);
    if (table === undefined) this.#groups.set(container, (table = new Map()));
    table.set(gid, name);
    this.epoch++;
  }

  deleteUser(container: string, uid: number): void {
    if (this.#users.get(container)?.delete(uid) === true) this.epoch++;
  }

  deleteGroup(container: string, gid: number): void {
    if (this.#groups.get(container)?.delete(gid) === true) this.epoch++;
  }

  /** True when something is known of that container's users. */
  has(container: string): boolean {
    return this.#users.has(container);
  }

  forget(container: string): void {
    this.#users.delete(container);
    this.#groups.delete(container);
    this.epoch++;
  }

  add(entry: UserOrGroupEntry): void {
    if (entry.kind === 'user') this.addUser('', entry);
    else this.addGroup('', entry.gid, entry.name);
  }

  /** The host's, for a recording. */
  *entries(): Generator<UserOrGroupEntry> {
    for (const user of this.#users.get('')?.values() ?? []) {
      const { uid, gid, name, home, shell } = user;
      yield { kind: 'user', uid, gid, name, home, shell };
    }
    for (const [gid, name] of this.#groups.get('') ?? []) yield { kind: 'group', gid, name };
  }
}

/** The lines of a passwd(5) file. */
export function* parsePasswd(text: string): Generator<User> {
  for (const line of text.split('\n')) {
    const [name = '', , uid = '', gid = '', , home = '', shell = ''] = line.split(':');
    if (name === '' || !/^\d+$/.test(uid)) continue;
    yield { uid: Number(uid), gid: Number(gid), name, home, shell };
  }
}

/** The lines of a group(5) file. */
export function* parseGroup(text: string): Generator<{ gid: number; name: string }> {
  for (const line of text.split('\n')) {
    const [name = '', , gid = ''] = line.split(':');
    if (name === '' || !/^\d+$/.test(gid)) continue;
    yield { gid: Number(gid), name };
  }
}
