export interface Position {
  /** The file, or the `-o` argument that set the value. */
  readonly file: string;
  /** From 1; 0 where the position is not in a file. */
  readonly line: number;
  readonly column: number;
}

/** A problem that makes the configuration unusable. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly position: Position | null;
  readonly remedy: string | null;
  constructor(message: string, position: Position | null = null, remedy: string | null = null) {
    super(message);
    this.position = position;
    this.remedy = remedy;
  }
}
