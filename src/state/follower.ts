import { Event } from '../event/index.ts';
import { CLASS, Class, FD_PARAM } from './classes.ts';
import { changesTable, open, opensAbsolute } from './files.ts';
import { low } from './read.ts';
import type { State } from './state.ts';
import type { Thread } from './thread.ts';

/** Opens put off at most; more are seldom open at a time, and they are searched one by one. */
const MAX_LATER = 64;
/** Descriptors from here on are rare, and not put off. */
const MAX_FD = 4096;

/** What an event of a class needs to have been made good before it is applied. */
const NOTHING = 0;
/** Opens of its own process. */
const OWN = 1;
/** All of them: it reads or copies the descriptors of other processes, or ends one. */
const ALL = 2;

const NEEDS: Uint8Array = new Uint8Array(256).fill(ALL);
for (const kind of [
  Class.OPEN,
  Class.CLOSE,
  Class.SOCKET,
  Class.CONNECT,
  Class.CONNECT_ENTER,
  Class.ACCEPT,
  Class.BIND,
  Class.TRANSFER,
  Class.DUP,
  Class.FCNTL,
  Class.PIPE,
  Class.SOCKETPAIR,
  Class.CREATE_FD,
  Class.PIDFD_OPEN,
  Class.CLOSE_RANGE,
  Class.CHDIR,
  Class.FCHDIR,
]) {
  NEEDS[kind] = OWN;
}
for (const kind of [Class.NONE, Class.SETUID, Class.SETGID, Class.PRCTL, Class.CAPSET, Class.PRLIMIT, Class.MEMORY]) {
  NEEDS[kind] = NOTHING;
}

/**
 * Brings a state forward by events that nobody looks at, for less than {@link State.apply}: later events find the same
 * state, but this one's thread, descriptor and path are not shown. What only its own event shows is left out, and an
 * open is put off until something needs it; most files are closed again before that.
 */
export class Follower {
  readonly #state: State;
  readonly #event = new Event();
  /** The opens that were put off: whose, under which number, and where their events are. */
  readonly #threads: (Thread | null)[] = new Array(MAX_LATER).fill(null);
  readonly #fds = new Int32Array(MAX_LATER);
  readonly #places = new Int32Array(MAX_LATER);
  #count = 0;
  /** The memory that they are in. */
  #buffer: Uint8Array | null = null;

  constructor(state: State) {
    this.#state = state;
  }

  follow(event: Event): void {
    const state = this.#state;
    const { type } = event;
    const kind = CLASS[type] as number;
    if ((kind <= Class.CLOSE || kind === Class.FCNTL) && state.isSettled) {
      // Threads with longer ids, or none, take the long way.
      const thread = event.view.getInt32(event.at + 12, true) === 0 ? state.threads.get(event.tid) : null;
      if (thread !== null && this.#isDone(event, kind, thread)) {
        state.passBy(event);
        return;
      }
    }
    if (this.#count > 0) {
      const needs = NEEDS[kind] as number;
      if (needs === ALL) this.catchUp();
      else if (needs === OWN) this.#catchUpOf(state.threads.get(event.tid));
    }
    state.apply(event);
  }

  /** Makes good what was put off: before an event is judged, and before the memory of the events changes. */
  catchUp(): void {
    while (this.#count > 0) this.#open(this.#count - 1);
    this.#buffer = null;
  }

  /** Does what later events can see of the event, or puts it off; false when that is up to {@link State.apply}. */
  #isDone(event: Event, kind: number, thread: Thread): boolean {
    switch (kind) {
      case Class.NONE:
        return true;
      case Class.FCNTL:
        return !changesTable(event);
      case Class.CLOSE: {
        const param = FD_PARAM[event.type] as number;
        if (param >= event.nparams || event.len(param) !== 8) return false;
        if (low(event, 0, -1) < 0) return true;
        const fd = event.lo(param);
        const at = this.#find(thread, fd);
        if (at >= 0) this.#remove(at);
        thread.fds.delete(fd);
        return true;
      }
      default: {
        const fd = low(event, 0, -1);
        if (fd < 0) return true;
        if (fd >= MAX_FD || !opensAbsolute(event)) return false;
        if (this.#buffer !== event.buffer) {
          this.catchUp();
          this.#buffer = event.buffer;
          this.#event.attach(event.buffer, event.view);
        }
        let at = this.#find(thread, fd);
        if (at < 0) {
          if (this.#count === MAX_LATER) this.#open(0);
          at = this.#count++;
        }
        this.#threads[at] = thread;
        this.#fds[at] = fd;
        this.#places[at] = event.at;
        return true;
      }
    }
  }

  #find({ fds }: Thread, fd: number): number {
    for (let i = this.#count - 1; i >= 0; i--) {
      if (this.#fds[i] === fd && (this.#threads[i] as Thread).fds === fds) return i;
    }
    return -1;
  }

  #catchUpOf(thread: Thread | null): void {
    for (let i = this.#count - 1; i >= 0 && thread !== null; i--) {
      if ((this.#threads[i] as Thread).fds === thread.fds) this.#open(i);
    }
  }

  /** The order of those that are left does not matter: they are of different descriptors, and of absolute names. */
  #remove(at: number): void {
    const last = --this.#count;
    this.#threads[at] = this.#threads[last] as Thread;
    this.#fds[at] = this.#fds[last] as number;
    this.#places[at] = this.#places[last] as number;
    this.#threads[last] = null;
  }

  #open(at: number): void {
    const thread = this.#threads[at] as Thread;
    this.#event.read(this.#places[at] as number, 0, 0);
    this.#remove(at);
    try {
      open(this.#state, this.#event, thread);
    } catch (error) {
      // As for State.apply, an event that contradicts itself changes nothing.
      if (!(error instanceof RangeError)) throw error;
    }
  }
}
