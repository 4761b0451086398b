/** The text of an address of 4 or 16 bytes, as inet_ntop(3) writes it. */
export function formatAddress(address: string): string {
  if (address.length === 4) {
    return `${address.charCodeAt(0)}.${address.charCodeAt(1)}.${address.charCodeAt(2)}.${address.charCodeAt(3)}`;
  }
  if (address.length !== 16) return '';
  const words: number[] = [];
  for (let i = 0; i < 16; i += 2) words.push((address.charCodeAt(i) << 8) | address.charCodeAt(i + 1));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && words[j] === 0) j++;
    if (j - i > bestLength) {
      best = i;
      bestLength = j - i;
    }
    if (j > i) i = j;
  }
  // IPv4-compatible and IPv4-mapped addresses end in dotted form.
  const dotted = best === 0 && (bestLength === 6 || (bestLength === 5 && words[5] === 0xffff));
  const text = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  if (dotted) return `::${bestLength === 5 ? 'ffff:' : ''}${formatAddress(address.slice(12))}`;
  if (best < 0) return text(0, 8);
  return `${text(0, best)}::${text(best + bestLength, 8)}`;
}

/** `1.2.3.4:80`, also for IPv6 without brackets, as Falco writes it. */
export function formatEndpoint(address: string, port: number): string {
  return `${formatAddress(address)}:${port}`;
}

/** `1.2.3.4:80->5.6.7.8:90`; an end that is not known is left out. */
export function formatTuple(source: string, sourcePort: number, destination: string, destinationPort: number): string {
  if (source === '' && destination === '') return '';
  const any = destination.length === 16 || source.length === 16 ? '\0'.repeat(16) : '\0\0\0\0';
  return `${formatEndpoint(source === '' ? any : source, sourcePort)}->${formatEndpoint(destination === '' ? any : destination, destinationPort)}`;
}

/** A 64-bit number in hexadecimal without prefix. */
export function hex(value: bigint): string {
  return value.toString(16);
}
