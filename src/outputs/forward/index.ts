export { type ForwardConfig, loadConfig, type Problem, parseDuration } from './config.ts';
export {
  type DeadLetter,
  type Forwarder,
  type Logger,
  type OutputStatus,
  RejectedError,
  redactor,
  startForwarder,
  testAlert,
} from './forwarder.ts';
