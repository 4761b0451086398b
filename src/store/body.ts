import { deflateRawSync, inflateRawSync } from 'node:zlib';

/**
 * An alert's text at rest: compressed against the first alert of its kind (its dictionary), which it mostly
 * repeats. 900 bytes become 60. The first byte says how: 0 plain, 1 deflated.
 */

/** A longer first alert is cut to this many bytes. */
const DICTIONARY_BYTES = 8192;

export function dictionaryOf(text: string): Uint8Array {
  return Buffer.from(text).subarray(0, DICTIONARY_BYTES);
}

export function pack(text: string, dictionary: Uint8Array): Uint8Array {
  const plain = Buffer.from(text);
  // The window must reach over the dictionary; a small one costs less to set up.
  const windowBits = Math.min(15, Math.max(9, Math.ceil(Math.log2(plain.length + dictionary.length + 1))));
  const packed = deflateRawSync(plain, { dictionary, windowBits, level: 5, memLevel: plain.length > 32768 ? 8 : 4 });
  const small = packed.length < plain.length;
  const body = Buffer.allocUnsafe(1 + (small ? packed : plain).length);
  body[0] = small ? 1 : 0;
  body.set(small ? packed : plain, 1);
  return body;
}

export function unpack(body: Uint8Array, dictionary: Uint8Array): string {
  const rest = body.subarray(1);
  return (body[0] === 0 ? Buffer.from(rest) : inflateRawSync(rest, { dictionary })).toString();
}
