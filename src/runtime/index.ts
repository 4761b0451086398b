export { openRuntimes, type Runtimes, type RuntimesOptions } from './runtimes.ts';
export type { EngineSettings, RuntimeSettings } from './settings.ts';
