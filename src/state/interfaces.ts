import type { InterfaceEntry } from '../scap/entries.ts';

/** The machine's own addresses, to tell the local from the remote end of a connection. */
export class Interfaces {
  readonly #entries: InterfaceEntry[] = [];
  readonly #addresses = new Set<string>();

  add(entry: InterfaceEntry): void {
    if (this.#addresses.has(entry.address)) return;
    this.#entries.push(entry);
    this.#addresses.add(entry.address);
  }

  /** `address` is a byte string of 4 or 16 bytes. */
  isLocal(address: string): boolean {
    return this.#addresses.has(address);
  }

  entries(): readonly InterfaceEntry[] {
    return this.#entries;
  }

  clear(): void {
    this.#entries.length = 0;
    this.#addresses.clear();
  }
}
