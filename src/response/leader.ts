import { randomUUID } from 'node:crypto';
import { type KubeClient, KubeError, type KubeObject } from '../kube/index.ts';
import type { Logger } from '../outputs/forward/index.ts';

/** Seconds after which a leader that does not renew its lease is taken for gone. */
const DURATION = 10;
/** How often the lease is looked at, or renewed, milliseconds. */
const INTERVAL = 2000;

/** One of several responders that takes alerts, by a Lease of Kubernetes as its own components use it. */
export interface Election {
  /** Whether we are the leader, as far as we may still believe it. */
  isLeader(): boolean;
  /** Who is; empty: nobody, or not known yet. */
  leader(): string;
  /** Gives the lease back, so that another one need not wait until it has run out. */
  stop(): Promise<void>;
}

interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

/**
 * Stands for election until it is stopped. Clocks of different machines are not compared: a lease has run out when we
 * have seen it unchanged for as long as it lasts.
 * @param place where the Lease is, and its name
 */
export async function standForElection(
  client: KubeClient,
  place: { readonly namespace: string; readonly name: string },
  identity: string,
  logger: Logger,
  interval = INTERVAL,
): Promise<Election> {
  const me = `${identity}_${randomUUID()}`;
  const collection = { version: 'coordination.k8s.io/v1', resource: 'leases', namespace: place.namespace };
  const at = { ...collection, name: place.name };
  const duration = DURATION * 1000;
  let holder = '';
  /** The lease as it was when it last changed, and when we saw that. */
  let seen = { version: '', since: 0 };
  /** Until when we may act as the leader without another renewal. */
  let mineUntil = 0;
  let stopped = false;
  let failing = false;
  const stop = new AbortController();

  const clock = () => performance.now();
  const isLeader = () => clock() < mineUntil;

  function specOf(before: Lease | null): NonNullable<Lease['spec']> {
    const time = new Date().toISOString().replace('Z', '000Z');
    const wasMine = before?.spec?.holderIdentity === me;
    return {
      holderIdentity: me,
      leaseDurationSeconds: DURATION,
      acquireTime: (wasMine ? before?.spec?.acquireTime : undefined) ?? time,
      renewTime: time,
      leaseTransitions: (before?.spec?.leaseTransitions ?? 0) + (wasMine || before === null ? 0 : 1),
    };
  }

  /** One look at the lease: renews it, takes it when it is free, or remembers who has it. */
  async function look(): Promise<void> {
    const before = clock();
    let lease: Lease | null = null;
    try {
      lease = await client.get<Lease>(at);
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 404) throw error;
    }
    const version = lease?.metadata.resourceVersion ?? '';
    if (version !== seen.version) seen = { version, since: before };
    holder = lease?.spec?.holderIdentity ?? '';
    const lasts = (lease?.spec?.leaseDurationSeconds ?? DURATION) * 1000;
    if (holder !== '' && holder !== me && before - seen.since < lasts) return;
    try {
      // The version makes two that take it at once a conflict for one of them.
      const taken =
        lease === null
          ? await client.post<Lease>(collection, {
              apiVersion: 'coordination.k8s.io/v1',
              kind: 'Lease',
              metadata: { name: place.name, namespace: place.namespace },
              spec: specOf(null),
            })
          : await client.put<Lease>(at, { ...lease, spec: specOf(lease) });
      if (holder !== me) logger.info(`This responder is the leader now (lease ${place.namespace}/${place.name})`);
      seen = { version: taken.metadata.resourceVersion ?? '', since: before };
      holder = me;
      mineUntil = before + duration;
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 409) throw error;
    }
  }

  async function tryToLook(): Promise<void> {
    const was = isLeader();
    try {
      await look();
      failing = false;
    } catch (error) {
      if (!failing) logger.warning(`The lease ${place.namespace}/${place.name}: ${(error as Error).message}`);
      failing = true;
    }
    if (was && holder !== me) mineUntil = 0;
  }

  await tryToLook();
  const running = (async () => {
    while (!stopped) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, interval);
        stop.signal.addEventListener('abort', () => {
          clearTimeout(timer);
          resolve();
        });
      });
      if (!stopped) await tryToLook();
    }
  })();

  return {
    isLeader,
    leader: () => holder.replace(/_[0-9a-f-]{36}$/, ''),
    async stop() {
      stopped = true;
      stop.abort();
      await running;
      if (!isLeader()) return;
      mineUntil = 0;
      try {
        const lease = await client.get<Lease>(at);
        if (lease.spec?.holderIdentity !== me) return;
        await client.put(at, { ...lease, spec: { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1 } });
      } catch (error) {
        logger.warning(`The lease was not given back: ${(error as Error).message}`);
      }
    },
  };
}
