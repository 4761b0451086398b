export { type File, type Files, MemoryFiles } from './files.ts';
export type { Entry } from './format.ts';
export {
  type Consumer,
  type Drop,
  type DurableLog,
  LogFullError,
  type LogOptions,
  openLog,
} from './log.ts';
