import { checksOf, type Expr, parseAddress } from '../rules/index.ts';

/** Looks a name up; the addresses as byte strings of 4 or 16 bytes. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** A name is looked up again after this many milliseconds. */
const REFRESH_MS = 600_000;
/** After a failure: after this many milliseconds. */
const RETRY_MS = 60_000;

interface Entry {
  addresses: readonly string[];
  due: number;
  busy: boolean;
}

/**
 * The names that rules compare addresses with (`fd.sip.name = example.com`), looked up in the background.
 * So a comparison never waits: until the first answer is there, no address has the name.
 */
export class DnsNames {
  readonly #names = new Map<string, Entry>();
  readonly #byAddress = new Map<string, string[]>();
  readonly #lookup: Lookup;
  /** Changes whenever an answer differs from the one before. */
  epoch = 0;

  constructor(lookup: Lookup) {
    this.#lookup = lookup;
  }

  get size(): number {
    return this.#names.size;
  }

  /** From now on `name` is known by its addresses; resolves when the first look-up is done. */
  async watch(name: string): Promise<void> {
    if (!this.#names.has(name)) this.#names.set(name, { addresses: [], due: 0, busy: false });
    await this.refresh();
  }

  /** From now on the name has these addresses, whatever the resolver would say. */
  know(name: string, addresses: readonly string[]): void {
    this.#names.set(name, { addresses: [...addresses].sort(), due: Number.POSITIVE_INFINITY, busy: false });
    this.#rebuild();
  }

  /** Looks up what is due; never rejects. */
  async refresh(now = Date.now()): Promise<void> {
    const due = [...this.#names].filter(([, entry]) => !entry.busy && entry.due <= now);
    await Promise.all(due.map(([name, entry]) => this.#update(name, entry, now)));
  }

  async #update(name: string, entry: Entry, now: number): Promise<void> {
    entry.busy = true;
    try {
      const addresses = [...(await this.#lookup(name))].sort();
      entry.due = now + REFRESH_MS;
      if (addresses.join() !== entry.addresses.join()) {
        entry.addresses = addresses;
        this.#rebuild();
      }
    } catch {
      // An answer that we have stays valid; the name is asked for again.
      entry.due = now + RETRY_MS;
    } finally {
      entry.busy = false;
    }
  }

  #rebuild(): void {
    this.#byAddress.clear();
    for (const [name, { addresses }] of this.#names) {
      for (const address of addresses) {
        const names = this.#byAddress.get(address);
        if (names === undefined) this.#byAddress.set(address, [name]);
        else names.push(name);
      }
    }
    this.epoch++;
  }

  /** The watched names that have this address; null when there is none. */
  namesOf(address: string): readonly string[] | null {
    return this.#byAddress.get(address) ?? null;
  }
}

/** Asks the system's resolver. */
async function systemLookup(name: string): Promise<string[]> {
  const { lookup } = await import('node:dns/promises');
  const answers = await lookup(name, { all: true });
  return answers.flatMap(({ address }) => parseAddress(address.replace(/%.*$/, '')) ?? []);
}

/** The names that the loaded rules need. */
export const dnsNames = new DnsNames(systemLookup);

/** How often it is checked whether a name is due. */
const CHECK_MS = 60_000;
let timer: NodeJS.Timeout | null = null;

/** Looks up, now and again from time to time, the names that conditions compare addresses with; does not wait. */
export function watchNames(conditions: Iterable<Expr>): void {
  for (const condition of conditions) for (const name of comparedNames(condition)) void dnsNames.watch(name);
  if (dnsNames.size === 0 || timer !== null) return;
  timer = setInterval(() => void dnsNames.refresh(), CHECK_MS);
  timer.unref();
}

/** The names that a condition compares `fd.cip.name` and its like with. */
export function comparedNames(expr: Expr): string[] {
  return checksOf(expr).flatMap(({ left, right }) => {
    if (left.kind !== 'field' || !/^fd\.[cslr]ip\.name$/.test(left.name) || right === null) return [];
    if (right.kind === 'value') return [right.value.text];
    return right.kind === 'values' ? right.values.map((value) => value.text) : [];
  });
}
