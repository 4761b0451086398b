import { formatAddress } from '../rules/index.ts';

/** `1.2.3.4:80`, also for IPv6 without brackets, as Falco writes it. */
export function formatEndpoint(address: string, port: number): string {
  if (address.length !== 4) return `${formatAddress(address)}:${port}`;
  const byte = (i: number) => address.charCodeAt(i);
  return `${byte(0)}.${byte(1)}.${byte(2)}.${byte(3)}:${port}`;
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
