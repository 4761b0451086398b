import { expect, test } from 'vitest';
import { State, type Thread, unmanagedContainer } from '../state/index.ts';
import { type Metadata, type MetadataOptions, openMetadata } from './metadata.ts';
import type { FromMetadata } from './metadata-worker.ts';

const FULL_ID = '0123456789ab'.padEnd(64, 'c');
const ID = '0123456789ab';
const IN_DOCKER = { cgroups: `cpu=/docker/${FULL_ID}\0` } as Thread;

/** A metadata over a peer that the test is. */
function open(kubernetes: MetadataOptions['kubernetes'] = null): {
  state: State;
  metadata: Metadata;
  asked: string[];
  tell(message: FromMetadata): void;
} {
  const state = new State();
  const asked: string[] = [];
  const messages: FromMetadata[] = [];
  const metadata = openMetadata(state, {
    runtimes: { labelMaxLength: 100, engines: {} },
    kubernetes,
    open: () => ({
      ask: (ids) => asked.push(...ids),
      receive: () => messages.shift() ?? null,
      close: () => {},
    }),
  });
  return { state, metadata, asked, tell: (message) => messages.push(message) };
}

test('a container is asked about once, and is there after the answer', () => {
  const { state, metadata, asked, tell } = open();
  state.unknownContainer?.(ID, IN_DOCKER);
  state.unknownContainer?.(ID, IN_DOCKER);
  metadata.poll();
  expect(asked).toEqual([FULL_ID]);
  expect(metadata.awaits(ID)).toBe(true);
  const before = state.containersEpoch;
  const info = { ...unmanagedContainer(FULL_ID, 'docker'), id: ID, name: 'web' };
  tell({ kind: 'container', info });
  metadata.poll();
  expect(metadata.awaits(ID)).toBe(false);
  expect(state.containers.get(ID)?.name).toBe('web');
  expect(state.containersEpoch).toBeGreaterThan(before);
});

test('a container of no engine is bare; one of an engine that does not answer stays unknown', () => {
  const { state, metadata, tell } = open();
  state.unknownContainer?.(ID, IN_DOCKER);
  tell({ kind: 'missing', fullId: FULL_ID, why: 'unreachable' });
  metadata.poll();
  expect(metadata.awaits(ID)).toBe(false);
  expect(state.containers.has(ID)).toBe(false);
  tell({ kind: 'missing', fullId: FULL_ID, why: 'unknown' });
  metadata.poll();
  expect(state.containers.get(ID)).toMatchObject({ type: 'bare', imageRepository: 'bare', imageTag: 'none' });
});

test('LXC needs no engine; pods come and go', () => {
  const { state, metadata, asked, tell } = open({ kubeconfig: '', nodeName: 'n', kubelet: '', optional: false });
  state.unknownContainer?.('web', { cgroups: 'cpu=/lxc.payload.web/init\0' } as Thread);
  metadata.poll();
  expect(asked).toEqual([]);
  expect(state.containers.get('web')).toMatchObject({ type: 'lxc', name: 'web' });
  const named = { name: 'p', uid: 'u', labels: {} };
  const none = { namespace: null, deployment: null, replicaSet: null, replicationController: null, owner: null };
  const rest = { ...none, services: [] };
  tell({ kind: 'pod', uid: 'u', pod: { ...named, ip: '10.0.0.1', ...rest } });
  metadata.poll();
  expect(state.pods.get('u')?.ip).toBe('10.0.0.1');
  tell({ kind: 'pod', uid: 'u', pod: null });
  metadata.poll();
  expect(state.pods.size).toBe(0);
});
