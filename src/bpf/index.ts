export { BpfError, type BpfErrorKind } from './error.ts';
export { releaseProgramFile } from './footprint.ts';
export { type BpfMap, type Cell, type MapSpec, MapType, onlineCpus, possibleCpus } from './maps.ts';
export { type MergedRings, mergeRings } from './merge.ts';
export { type BpfObject, type LoadOptions, loadObject } from './object.ts';
export { Capability, type CapabilityName, dropCapabilities, effectiveCapabilities } from './permission.ts';
export type { BpfProgram } from './program.ts';
export { openRing, type Ring } from './ring.ts';
export { type Sys, systemCalls } from './sys.ts';
