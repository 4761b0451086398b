/** Brokers that alerts are taken from, besides HTTP: a message is acknowledged once its alert is stored. */
import type { Globals } from '../config.ts';
import type { Logger } from '../forwarder.ts';

/** Stores an alert. @throws RejectedError for what is none: it would never be one, and is acknowledged with a message in the log */
export type Accept = (body: Buffer) => Promise<void>;

export interface Input {
  /** Ends after the message under way. */
  stop(): Promise<void>;
}

/** Starts the inputs that are configured. @throws Error when a broker cannot be reached */
export async function startInputs(globals: Globals, accept: Accept, logger: Logger): Promise<Input[]> {
  const inputs: Input[] = [];
  if (globals['input.nats.hostport'] !== '')
    inputs.push(await (await import('./nats.ts')).startNatsInput(globals, accept, logger));
  if (globals['input.kafka.hostport'].length > 0)
    inputs.push(await (await import('./kafka.ts')).startKafkaInput(globals, accept, logger));
  return inputs;
}
