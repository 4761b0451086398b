export * from './entries.ts';
export { DumpFlag, ScapError } from './format.ts';
export { type ReaderStats, ScapReader } from './reader.ts';
export { ScapWriter } from './writer.ts';
