/** What container engines and Kubernetes say, brought into the state of the live events. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { type Config, loadedPlugins } from '../config/index.ts';
import { log } from '../log.ts';
// Not through index.ts: the clients of the engines are large, and only the other thread needs them.
import { type RuntimeSettings, runtimeSettings } from '../runtime/settings.ts';
import { existingSockets } from '../runtime/sockets.ts';
import {
  containerOfCgroups,
  hostRoot,
  type State,
  shortContainerId,
  type Thread,
  unmanagedContainer,
} from '../state/index.ts';
import { startThread } from '../thread.ts';
import type { FromMetadata, KubernetesSettings, MetadataSetup, MetadataWorkerData } from './metadata-worker.ts';
import type { OpenSource } from './open-source.ts';

export interface Metadata {
  /** Whether something is still being found out about the container. */
  awaits(id: string): boolean;
  /** Whether something is still being found out about any container. */
  readonly waiting: boolean;
  /** Whether engines are still being connected to, which takes longer than an answer. */
  readonly starting: boolean;
  /** Brings what was learnt meanwhile into the state; to be called between events. */
  poll(): void;
  /** Resolves once the engines that are there have been connected to, or that has taken too long. */
  ready(): Promise<void>;
  close(): void;
}

export interface MetadataOptions {
  readonly runtimes: RuntimeSettings;
  readonly kubernetes: KubernetesSettings | null;
  /** The port of messages is read by {@link Metadata.poll} alone; tests put something else at the other end. */
  readonly open?: (setup: MetadataSetup) => MetadataPeer;
}

/** The other end: looks containers up and tells what it finds. */
export interface MetadataPeer {
  ask(ids: readonly string[]): void;
  /** The next message, if there is one. */
  receive(): FromMetadata | null;
  close(): void;
}

/** A container that no engine knew is asked about again with a process that it starts after that (ms). */
const ASK_AGAIN_MS = 5000;
/** Events of a container may still be on their way when it is already removed (ms). */
const KEEP_REMOVED_MS = 10_000;
const MAX_ASKED = 8192;
/** Longest time for the first connections (ms). */
const START_MS = 10_000;
/** Longest time that a command waits for them. */
const READY_MS = 3000;

/** The metadata of a source of live system calls; null for other sources, and when it is turned off. */
export function metadataFor(source: OpenSource, config: Config): Metadata | null {
  const { enabled, label_max_len, engines } = config.windhover.containers;
  if (!enabled || !LIVE.has(source.engine)) return null;
  const init = initConfig(config, 'container') ?? {};
  const said = { label_max_len, ...init, engines: { ...(init.engines ?? {}), ...engines } };
  return openMetadata(source.state, { runtimes: runtimeSettings(said), kubernetes: kubernetesSettings(config) });
}

function kubernetesSettings(config: Config): KubernetesSettings | null {
  const { enabled, kubeconfig, node_name, kubelet } = config.windhover.kubernetes;
  const plugin = initConfig(config, 'k8smeta');
  if (enabled === 'false') return null;
  const { NODE_NAME, FALCO_K8S_NODE_NAME } = process.env;
  // Falco's own configuration names the variable, for the environment to fill in.
  const named = String(plugin?.nodeName ?? '').replace(/^\$\{?\w+\}?$/, '');
  return {
    kubeconfig,
    nodeName: node_name || named || NODE_NAME || FALCO_K8S_NODE_NAME || '',
    kubelet,
    optional: enabled === 'auto' && plugin === null,
  };
}

/** What the configuration gives a built-in plugin; null when it does not load it. */
function initConfig(config: Config, name: string): Readonly<Record<string, unknown>> | null {
  const plugin = loadedPlugins(config).find((one) => one.name === name);
  if (plugin === undefined) return null;
  return typeof plugin.initConfig === 'object' ? plugin.initConfig : {};
}

/** Engines of {@link OpenSource} that show this machine as it is now. */
const LIVE: ReadonlySet<string> = new Set(['modern_bpf']);

export function openMetadata(state: State, options: MetadataOptions): Metadata {
  const root = hostRoot() || rootOfHost();
  /**
   * Opened at once where an engine is, as the first container may live no longer than the start takes; elsewhere with the
   * first container: where there is none, neither memory nor start is needed.
   */
  let peer: MetadataPeer | null = null;
  let startsUntil = 0;
  function opened(): MetadataPeer {
    if (peer === null) {
      startsUntil = performance.now() + START_MS;
      peer = (options.open ?? startWorker)({
        runtimes: options.runtimes,
        kubernetes: options.kubernetes,
        root,
      });
    }
    return peer;
  }
  /** When each container was asked about; null once it was answered that it is not known. */
  const asked = new Map<string, { readonly at: number; open: boolean }>();
  /** How many of them wait for their answer. */
  let open = 0;
  let questions: string[] = [];
  let removed: { id: string; at: number }[] = [];

  function learn(id: string, thread: Thread): void {
    const before = asked.get(id);
    const now = performance.now();
    if (before !== undefined && (before.open || now - before.at < ASK_AGAIN_MS)) return;
    const { fullId, engine } = containerOfCgroups(thread.cgroups);
    if (fullId === '') return;
    if (engine !== '') {
      state.setContainer(id, unmanagedContainer(id, engine));
      return;
    }
    if (asked.size >= MAX_ASKED) {
      asked.clear();
      open = 0;
    }
    asked.set(id, { at: now, open: true });
    open++;
    questions.push(fullId);
  }

  function answered(id: string): void {
    const question = asked.get(id);
    if (question?.open !== true) return;
    question.open = false;
    open--;
  }

  function take(message: FromMetadata): void {
    switch (message.kind) {
      case 'container':
        answered(message.info.id);
        asked.delete(message.info.id);
        state.setContainer(message.info.id, message.info);
        break;
      case 'missing': {
        const id = shortContainerId(message.fullId);
        answered(id);
        // Every engine says that it is none of theirs.
        if (message.why === 'unknown') state.setContainer(id, unmanagedContainer(id, 'bare'));
        break;
      }
      case 'removed':
        removed.push({ id: shortContainerId(message.fullId), at: performance.now() });
        break;
      case 'pod':
        state.setPod(message.uid, message.pod);
        break;
      case 'ready':
        startsUntil = 0;
        break;
      case 'log':
        log.info(message.text);
        break;
    }
  }

  function forgetRemoved(): void {
    const limit = performance.now() - KEEP_REMOVED_MS;
    if (removed.length === 0 || (removed[0] as { at: number }).at > limit) return;
    for (const { id, at } of removed) if (at <= limit) state.setContainer(id, null);
    removed = removed.filter(({ at }) => at > limit);
  }

  function poll(): void {
    if (questions.length > 0) {
      opened().ask(questions);
      questions = [];
    }
    if (peer === null) return;
    for (let message = peer.receive(); message !== null; message = peer.receive()) take(message);
    forgetRemoved();
  }

  // Whoever asks for Kubernetes is to be told at once when it cannot be reached.
  const { engines } = options.runtimes;
  const sockets = Object.values(engines).flatMap((engine) => (engine.enabled ? engine.sockets : []));
  if (options.kubernetes?.optional === false || sockets.some((path) => existingSockets(root, path).length > 0))
    opened();
  state.unknownContainer = learn;
  for (const thread of state.threads) {
    if (thread.container !== '' && !state.containers.has(thread.container)) learn(thread.container, thread);
  }
  return {
    awaits: (id) => asked.get(id)?.open === true,
    get waiting() {
      return open > 0;
    },
    get starting() {
      return performance.now() < startsUntil;
    },
    poll,
    async ready() {
      for (const end = performance.now() + READY_MS; performance.now() < Math.min(end, startsUntil); ) {
        await sleep(5);
        poll();
      }
    },
    close() {
      state.unknownContainer = null;
      peer?.close();
    },
  };
}

/** Processes whose root is the host's: the first one, and engines, where the first may not be looked into. */
const HOST_PROGRAMS: ReadonlySet<string> = new Set(['dockerd', 'containerd', 'crio', 'kubelet', 'systemd']);

/** In a pod that shares the host's processes these show the host's files; elsewhere their root is ours. */
function rootOfHost(): string {
  const own = statSync('/');
  const isHosts = (pid: string): boolean => HOST_PROGRAMS.has(readFileSync(`/proc/${pid}/comm`, 'utf8').trim());
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (pid !== '1' && !isHosts(pid)) continue;
      const { dev, ino } = statSync(`/proc/${pid}/root/`);
      return dev === own.dev && ino === own.ino ? '' : `/proc/${pid}/root`;
    } catch {
      // Gone, or not ours to look into.
    }
  }
  return '';
}

/** A thread of its own; its messages are taken when it suits us, not when the event loop gets to them. */
function startWorker(setup: MetadataSetup): MetadataPeer {
  const { port1: ours, port2: theirs } = new MessageChannel();
  const workerData: MetadataWorkerData = { ...setup, port: theirs };
  const worker = startThread(new URL('./metadata-worker.ts', import.meta.url), { workerData, transferList: [theirs] });
  worker.unref();
  worker.on('error', (error: Error) => log.error(`Metadata of containers is not available any more: ${error.message}`));
  return {
    ask: (ids) => ours.postMessage(ids),
    receive: () => receiveMessageOnPort(ours)?.message ?? null,
    close() {
      ours.close();
      void worker.terminate();
    },
  };
}
