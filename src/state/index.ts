export { formatEndpoint, formatTuple } from './address.ts';
export { CARRIES_FILE, FD_EVENT, PARAM_COUNT } from './classes.ts';
export { containerJson } from './container-json.ts';
export {
  type ContainerInfo,
  type ContainerMount,
  containerOfCgroups,
  type KubeObject,
  type PodInfo,
  shortContainerId,
  unmanagedContainer,
} from './containers.ts';
export { FD_TYPE_CHARS, FD_TYPE_NAMES, Fd, FdStatus, L4, OpenFlag, type Socket } from './fd.ts';
export { currentDirectory, directoryOf, Extra, extraFlags, kernelBase } from './files.ts';
export { Interner } from './interner.ts';
export { joinPath, UNKNOWN_DIRECTORY } from './paths.ts';
export { hostRoot, ProcReader, readContainerUsers } from './proc.ts';
export { State, type StateOptions } from './state.ts';
export { CloneFlag, joinArgs, Thread } from './thread.ts';
export type { User } from './users.ts';
