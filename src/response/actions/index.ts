import type { ActionKind } from '../action.ts';
import { CLUSTER_ACTIONS } from './cluster.ts';
import { HOST_ACTIONS } from './host.ts';
import { POD_ACTIONS } from './pod.ts';

/** Every kind of action by its name. */
export const ACTIONS: ReadonlyMap<string, ActionKind> = new Map(
  [...POD_ACTIONS, ...CLUSTER_ACTIONS, ...HOST_ACTIONS].map((kind) => [kind.name, kind]),
);

/** Talon's that there are none of here, and what to use. */
export const ABSENT: ReadonlyMap<string, string> = new Map([
  ['kubernetes:tcpdump', 'capture the events around the alert with the sensor (`capture: true` on the Falco rule)'],
  [
    'kubernetes:sysdig',
    'capture the events around the alert with the sensor (`capture: true` on the Falco rule): the file opens in sysdig',
  ],
]);
