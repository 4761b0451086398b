import { setTimeout as sleep } from 'node:timers/promises';
import type { ContainerInfo } from '../state/index.ts';
import type { ContainerEngine } from './engine.ts';
import type { RuntimeSettings } from './settings.ts';
import { existingSockets } from './sockets.ts';

export interface RuntimesOptions {
  readonly settings: RuntimeSettings;
  /** Where the host's file system is seen; empty for `/`. */
  readonly root: string;
  /** Something was learnt of a container. */
  found(info: ContainerInfo): void;
  /**
   * A container that was asked for is not known: `unknown` to all engines that there are, or none `unreachable`.
   */
  missing(id: string, why: 'unknown' | 'unreachable'): void;
  /** A container was removed. */
  removed(id: string): void;
  log(message: string): void;
}

export interface Runtimes {
  /** Resolves once the engines that were there at the beginning have listed their containers, or failed to. */
  readonly ready: Promise<void>;
  /** Asks the engines about a container by its full id; the answer comes to `found` or `missing`. */
  ask(fullId: string): void;
  close(): void;
}

/** An engine knows a container shortly before it runs, mostly; asked too early, it is asked again after these (ms). */
const RETRIES = [20, 50, 100, 200, 400];
/** Questions on their way at the same time. */
const PARALLEL = 16;
/** Questions that wait; further ones are not taken, and asked again with the container's next process. */
const MAX_WAITING = 4096;
/** Milliseconds between two looks for sockets and tries to connect. */
const RECONNECT = [200, 500, 1000, 2000, 5000];

interface Connected {
  readonly engine: ContainerEngine;
  reachable: boolean;
  /** Called once, with the first answer or failure. */
  settled(): void;
}

/** Finds the host's container engines by their sockets, follows them, and asks them about containers. */
export function openRuntimes(options: RuntimesOptions): Runtimes {
  const engines: Connected[] = [];
  /** Sockets by kind and path. */
  const seen = new Set<string>();
  /** Clients that are being loaded. */
  const loadings = new Set<Promise<unknown>>();
  /** A socket may have several names (/run, /var/run). */
  const sameSockets = new Set<string>();
  const beginnings: Promise<void>[] = [];
  const asked = new Set<string>();
  const waiting: string[] = [];
  let busy = 0;
  let closed = false;
  const closing = new AbortController();

  /** Connects to sockets that are new; an engine stays for good, as its socket comes back when it is restarted. */
  function discover(): void {
    for (const [kind, { enabled, sockets }] of Object.entries(options.settings.engines)) {
      if (!enabled) continue;
      for (const { socket, identity } of sockets.flatMap((path) => existingSockets(options.root, path))) {
        const key = `${kind}:${socket}`;
        const name = `${kind}:${identity}`;
        if (seen.has(key) || sameSockets.has(name)) continue;
        sameSockets.add(name);
        seen.add(key);
        const loading = connect(kind, socket, options.settings.labelMaxLength).then((engine) => {
          loadings.delete(loading);
          return begin(engine);
        });
        loadings.add(loading);
        beginnings.push(loading.then((first) => first.answered));
      }
    }
  }

  /** Follows an engine; its first answer or failure is told by `answered`. */
  function begin(engine: ContainerEngine): { readonly answered: Promise<void> } {
    if (closed) {
      engine.close();
      return { answered: Promise.resolve() };
    }
    options.log(`Container engine ${engine.kind} at ${engine.socket}`);
    const answered = new Promise<void>((settled) => {
      const connected = { engine, reachable: true, settled };
      engines.push(connected);
      void follow(connected);
    });
    return { answered };
  }

  async function follow(connected: Connected): Promise<void> {
    const { engine } = connected;
    for (let attempt = 0; !closed; attempt++) {
      try {
        const watching = engine.watch({
          appeared: (id) => ask(id),
          vanished: (id) => options.removed(id),
        });
        watching.catch(() => {});
        for (const id of await engine.list()) ask(id);
        if (!connected.reachable) options.log(`Container engine ${engine.kind} at ${engine.socket} is back`);
        connected.reachable = true;
        connected.settled();
        attempt = 0;
        await watching;
      } catch (error) {
        if (closed) return;
        const { code } = error as { code?: unknown };
        // Runtimes without this call are asked when a container's first process is seen.
        if (code === UNIMPLEMENTED) return;
        if (connected.reachable) {
          options.log(
            `Container engine ${engine.kind} at ${engine.socket} does not answer: ${(error as Error).message}`,
          );
        }
        connected.reachable = false;
        connected.settled();
      }
      await pause(RECONNECT[Math.min(attempt, RECONNECT.length - 1)] as number);
    }
  }

  async function pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: closing.signal, ref: false }).catch(() => {});
  }

  function ask(id: string): void {
    if (asked.has(id) || waiting.length >= MAX_WAITING) return;
    asked.add(id);
    waiting.push(id);
    work();
  }

  function work(): void {
    while (busy < PARALLEL && !closed) {
      const id = waiting.shift();
      if (id === undefined) return;
      busy++;
      void lookUp(id).finally(() => {
        busy--;
        asked.delete(id);
        work();
      });
    }
  }

  async function lookUp(id: string): Promise<void> {
    discover();
    await Promise.all(loadings);
    for (const delay of [0, ...RETRIES]) {
      if (delay > 0) await pause(delay);
      if (closed) return;
      const { info, answers } = await inquire(id);
      if (info !== null) return options.found(info);
      if (delay === RETRIES.at(-1) || engines.length === 0) {
        return options.missing(id, answers > 0 || engines.length === 0 ? 'unknown' : 'unreachable');
      }
    }
  }

  /** Asks all engines at once and takes the first that knows; `answers` is how many said something. */
  function inquire(id: string): Promise<{ info: ContainerInfo | null; answers: number }> {
    return new Promise((resolve) => {
      let left = engines.length;
      let answers = 0;
      const done = (info: ContainerInfo | null): void => {
        left--;
        if (info !== null || left <= 0) resolve({ info, answers });
      };
      if (left === 0) done(null);
      for (const { engine } of engines) {
        engine.inspect(id, options.found).then(
          (info) => {
            answers++;
            done(info);
          },
          () => done(null),
        );
      }
    });
  }

  discover();
  const timer = setInterval(discover, RECONNECT.at(-1)).unref();
  return {
    ready: Promise.all(beginnings).then(() => {}),
    ask,
    close() {
      closed = true;
      closing.abort();
      clearInterval(timer);
      for (const { engine } of engines) engine.close();
    },
  };
}

/** The gRPC code of a method that a server does not have. */
const UNIMPLEMENTED = 12;

/** A client of an engine; only those that are needed are loaded, as some are large. */
async function connect(kind: string, socket: string, labelMaxLength: number): Promise<ContainerEngine> {
  if (kind === 'docker' || kind === 'podman') {
    return (await import('./docker.ts')).dockerEngine(kind, socket, labelMaxLength);
  }
  if (kind === 'containerd') return (await import('./containerd.ts')).containerdEngine(socket, labelMaxLength);
  return (await import('./cri.ts')).criEngine(socket, labelMaxLength);
}
