/** What was made of the newest entries of the log, by sequence number, within a bound of bytes. */
export interface Recent<T> {
  get(sequence: number): T | undefined;
  /** @param size about how many bytes it takes */
  set(sequence: number, value: T, size: number): void;
  delete(sequence: number): void;
}

/** @param maxBytes what all of them may take; the oldest goes first */
export function createRecent<T>(maxBytes: number): Recent<T> {
  const kept = new Map<number, { readonly value: T; readonly size: number }>();
  let bytes = 0;

  function remove(sequence: number): void {
    const found = kept.get(sequence);
    if (found === undefined) return;
    kept.delete(sequence);
    bytes -= found.size;
  }

  return {
    get: (sequence) => kept.get(sequence)?.value,
    set(sequence, value, size) {
      remove(sequence);
      kept.set(sequence, { value, size });
      bytes += size;
      for (const [oldest] of kept) {
        if (bytes <= maxBytes) break;
        remove(oldest);
      }
    },
    delete: remove,
  };
}
