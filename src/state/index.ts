export { formatEndpoint, formatTuple } from './address.ts';
export { CLASS, Class, FD_EVENT, FD_PARAM, PARAM_COUNT } from './classes.ts';
export { containerJson, parseContainer } from './container-json.ts';
export {
  type ContainerInfo,
  type ContainerMount,
  containerOfCgroups,
  type KubeObject,
  type PodInfo,
  shortContainerId,
  unmanagedContainer,
} from './containers.ts';
export { FD_TYPE_CHARS, FD_TYPE_NAMES, Fd, FdStatus, FdTable, L4, OpenFlag, type Socket } from './fd.ts';
export { currentDirectory, directoryOf, Extra, extraFlags, kernelBase } from './files.ts';
export { joinPath, normalise, Path, PathTable, UNKNOWN_DIRECTORY } from './paths.ts';
export { hostRoot, ProcReader, readContainerUsers, readHost, readInterfaces, readUsers } from './proc.ts';
export { readTuple } from './sockets.ts';
export { State, type StateCounters, type StateOptions } from './state.ts';
export { CloneFlag, joinArgs, Thread, ThreadGroup, ThreadTable } from './thread.ts';
export { parseGroup, parsePasswd, type User, Users } from './users.ts';
