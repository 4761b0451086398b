/** IP addresses and networks as byte strings of 4 or 16 bytes in network order. */

export interface Network {
  readonly address: string;
  /** How many leading bits count. */
  readonly bits: number;
}

/** An IPv4 or IPv6 address; null when the text is none. */
export function parseAddress(text: string): string | null {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): string | null {
  const found = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (found === null) return null;
  const bytes = found.slice(1).map(Number);
  return bytes.some((byte) => byte > 255) ? null : String.fromCharCode(...bytes);
}

function parseIpv6(text: string): string | null {
  let rest = text;
  let tail = '';
  const embedded = /:([^:]*\.[^:]*)$/.exec(text);
  if (embedded !== null) {
    const address = parseIpv4(embedded[1] as string);
    if (address === null) return null;
    tail = address;
    rest = text.slice(0, -(embedded[1] as string).length);
    // A single colon before the address only separates; two of them are the gap.
    if (!rest.endsWith('::')) rest = rest.slice(0, -1);
  }
  const halves = rest.split('::');
  if (halves.length > 2) return null;
  const [head, gap] = halves.map(groups);
  if (head == null || (halves.length === 2 && gap == null)) return null;
  const known = head.length + (gap?.length ?? 0) + tail.length;
  if (halves.length === 1) return known === 16 ? head + tail : null;
  return known > 14 ? null : head + '\0'.repeat(16 - known) + (gap as string) + tail;
}

function groups(text: string): string | null {
  if (text === '') return '';
  let bytes = '';
  for (const group of text.split(':')) {
    if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    const value = Number.parseInt(group, 16);
    bytes += String.fromCharCode(value >> 8, value & 255);
  }
  return bytes;
}

/** `address/bits`; null when the text is none. */
export function parseNetwork(text: string): Network | null {
  const found = /^(.*)\/(\d{1,3})$/.exec(text);
  const address = found === null ? null : parseAddress(found[1] as string);
  if (address === null) return null;
  const bits = Number((found as RegExpExecArray)[2]);
  return bits > address.length * 8 ? null : { address, bits };
}

/** Is an address in a network? Never when they are of different families. */
export function isIn(address: string, network: Network): boolean {
  if (address.length !== network.address.length) return false;
  const whole = network.bits >> 3;
  if (address.slice(0, whole) !== network.address.slice(0, whole)) return false;
  const rest = network.bits & 7;
  if (rest === 0) return true;
  const shift = 8 - rest;
  return address.charCodeAt(whole) >> shift === network.address.charCodeAt(whole) >> shift;
}

/** An address as text (IPv6 by RFC 5952). */
export function formatAddress(address: string): string {
  if (address.length === 4) return [...address].map((byte) => byte.charCodeAt(0)).join('.');
  const words: number[] = [];
  for (let i = 0; i + 1 < address.length; i += 2) {
    words.push((address.charCodeAt(i) << 8) | address.charCodeAt(i + 1));
  }
  let best = { start: -1, length: 1 };
  for (let i = 0; i < words.length; i++) {
    let end = i;
    while (end < words.length && words[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
  }
  const hex = (from: number, to?: number) =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  return best.start === -1 ? hex(0) : `${hex(0, best.start)}::${hex(best.start + best.length)}`;
}
