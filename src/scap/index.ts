export * from './entries.ts';
export { DumpFlag, ScapError } from './format.ts';
export { type ReaderStats, ScapReader } from './reader.ts';
export {
  type CaptureOutput,
  captureFileName,
  FlightRecorder,
  type RecorderOptions,
  type RecorderStats,
} from './recorder.ts';
export { ScapWriter } from './writer.ts';
