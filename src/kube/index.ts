export {
  createKubeClient,
  type GetOptions,
  type KubeClient,
  KubeError,
  type PatchType,
  type Place,
  type WatchEvent,
} from './client.ts';
export { type KubeConfig, loadKubeConfig } from './config.ts';
export { type ExecRequest, type ExecResult, execInPod } from './exec.ts';
export type { KubeList, KubeMetadata, KubeObject, OwnerReference, Pod } from './objects.ts';
export { followPods, type Pods, type PodsOptions } from './pods.ts';
