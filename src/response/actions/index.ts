import type { ActionKind } from '../action.ts';
import { CAPTURE_ACTIONS } from './capture.ts';
import { CLUSTER_ACTIONS } from './cluster.ts';
import { HOST_ACTIONS } from './host.ts';
import { POD_ACTIONS } from './pod.ts';

/** Every kind of action by its name. */
export const ACTIONS: ReadonlyMap<string, ActionKind> = new Map(
  [...POD_ACTIONS, ...CAPTURE_ACTIONS, ...CLUSTER_ACTIONS, ...HOST_ACTIONS].map((kind) => [kind.name, kind]),
);
