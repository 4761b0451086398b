export { openRuntimes, type Runtimes, type RuntimesOptions } from './runtimes.ts';
export { type EngineSettings, type RuntimeSettings, runtimeSettings } from './settings.ts';
