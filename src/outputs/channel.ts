/** One alert on its way out. */
export interface Message {
  /** The line to write, without its newline: text, or JSON under `json_output`. */
  readonly line: string;
  /** Syslog severity, 0 the worst. */
  readonly severity: number;
}

/**
 * Where alerts go. `write` is called by one caller at a time and resolves once the messages are out of our
 * hands; while it is pending only this channel's own queue fills. A rejection means that the messages are lost.
 */
export interface Channel {
  /** Falco's name of the channel: stdout, file, syslog, program, http. */
  readonly name: string;
  /** What it has written is in a durable log: the other channels get a message only once this one has it. */
  readonly isDurable?: boolean;
  write(messages: readonly Message[]): Promise<void>;
  /** Opens files anew (SIGUSR1, after log rotation). */
  reopen?(): Promise<void>;
  /** Called once, after the last write. */
  close(): Promise<void>;
}
