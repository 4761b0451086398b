/**
 * Byte strings: a JavaScript string with one char (0..255) for each byte.
 *
 * The kernel's strings are bytes, not text: a path need not be UTF-8, and `contains` or `len()` mean bytes.
 * So the program keeps them as byte strings, which V8 stores one byte a char and compares at memcmp speed,
 * and decodes them only where they leave it.
 */

/** Node's own slice works on any Uint8Array, without a copy; a browser takes the slower way. */
const nodeSlice: ((this: Uint8Array, from: number, to: number) => string) | undefined = (
  globalThis as { Buffer?: { prototype: { latin1Slice: (from: number, to: number) => string } } }
).Buffer?.prototype.latin1Slice;

/** The bytes [from, to) as a byte string. */
export const latin1: (bytes: Uint8Array, from: number, to: number) => string =
  nodeSlice === undefined
    ? (bytes, from, to) => {
        let text = '';
        for (let i = from; i < to; i += 8192) {
          text += String.fromCharCode(...bytes.subarray(i, Math.min(i + 8192, to)));
        }
        return text;
      }
    : (bytes, from, to) => nodeSlice.call(bytes, from, to);

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

// biome-ignore lint/suspicious/noControlCharactersInRegex: the test is for "all ASCII", which starts at NUL.
const ASCII = /^[\x00-\x7f]*$/;

/** Text → byte string (UTF-8). */
export function toByteString(text: string): string {
  if (ASCII.test(text)) return text;
  const bytes = encoder.encode(text);
  return latin1(bytes, 0, bytes.length);
}

/** Byte string → text; bytes that are not UTF-8 become U+FFFD. */
export function fromByteString(bytes: string): string {
  if (ASCII.test(bytes)) return bytes;
  const array = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) array[i] = bytes.charCodeAt(i);
  return decoder.decode(array);
}
