/** Type information written by hand, for tests. */

/** A type as the builder takes it; ids start at 1, in the order of the list. */
export type CraftedType =
  | {
      readonly kind: 'int';
      readonly name: string;
      readonly size: number;
      readonly signed?: boolean;
      readonly offset?: number;
    }
  | { readonly kind: 'float'; readonly name: string; readonly size: number }
  | { readonly kind: 'ptr' | 'const' | 'volatile' | 'restrict'; readonly to: number }
  | { readonly kind: 'typedef'; readonly name: string; readonly to: number }
  | { readonly kind: 'array'; readonly of: number; readonly length: number }
  | {
      readonly kind: 'struct' | 'union';
      readonly name: string;
      readonly size: number;
      readonly members: readonly CraftedMember[];
    }
  | {
      readonly kind: 'enum' | 'enum64';
      readonly name: string;
      readonly values: Readonly<Record<string, bigint>>;
      readonly signed?: boolean;
    }
  | { readonly kind: 'fwd'; readonly name: string }
  | { readonly kind: 'proto'; readonly returns: number; readonly parameters: readonly number[] }
  | { readonly kind: 'var'; readonly name: string; readonly of: number }
  | { readonly kind: 'datasec'; readonly name: string; readonly variables: readonly number[] };

/** `[name, type, bit offset, bits of a bitfield]` */
export type CraftedMember = readonly [name: string, type: number, bit: number, bits?: number];

const KIND = {
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  proto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  enum64: 19,
} as const;

/** The bytes of a .BTF section with these types. */
export function craftBtf(types: readonly CraftedType[]): Uint8Array {
  let strings = '\0';
  const text = (value: string): number => {
    if (value === '') return 0;
    const at = strings.length;
    strings += `${value}\0`;
    return at;
  };
  const words: number[] = [];
  const type = (name: string, kind: keyof typeof KIND, vlen: number, third: number, flag = false): void => {
    words.push(text(name), ((flag ? 1 << 31 : 0) | (KIND[kind] << 24) | vlen) >>> 0, third);
  };
  for (const it of types) {
    switch (it.kind) {
      case 'int':
        type(it.name, 'int', 0, it.size);
        words.push(((it.signed === true ? 1 : 0) << 24) | ((it.offset ?? 0) << 16) | (it.size * 8));
        break;
      case 'float':
        type(it.name, 'float', 0, it.size);
        break;
      case 'ptr':
      case 'const':
      case 'volatile':
      case 'restrict':
        type('', it.kind, 0, it.to);
        break;
      case 'typedef':
        type(it.name, 'typedef', 0, it.to);
        break;
      case 'array':
        type('', 'array', 0, 0);
        words.push(it.of, 0, it.length);
        break;
      case 'struct':
      case 'union': {
        const packed = it.members.some((member) => member[3] !== undefined);
        type(it.name, it.kind, it.members.length, it.size, packed);
        for (const [name, of, bit, bits = 0] of it.members)
          words.push(text(name), of, packed ? (bits << 24) | bit : bit);
        break;
      }
      case 'enum':
      case 'enum64': {
        const values = Object.entries(it.values);
        type(it.name, it.kind, values.length, it.kind === 'enum' ? 4 : 8, it.signed === true);
        for (const [name, value] of values) {
          words.push(text(name), Number(BigInt.asUintN(32, value)));
          if (it.kind === 'enum64') words.push(Number(BigInt.asUintN(64, value) >> 32n));
        }
        break;
      }
      case 'fwd':
        type(it.name, 'fwd', 0, 0);
        break;
      case 'proto':
        type('', 'proto', it.parameters.length, it.returns);
        for (const parameter of it.parameters) words.push(0, parameter);
        break;
      case 'var':
        type(it.name, 'var', 0, it.of);
        words.push(1);
        break;
      case 'datasec':
        type(it.name, 'datasec', it.variables.length, 0);
        for (const variable of it.variables) words.push(variable, 0, 0);
        break;
    }
  }
  const header = 24;
  const bytes = Buffer.alloc(header + words.length * 4 + strings.length);
  bytes.writeUInt16LE(0xeb9f, 0);
  bytes.writeUInt8(1, 2);
  bytes.writeUInt32LE(header, 4);
  bytes.writeUInt32LE(0, 8);
  bytes.writeUInt32LE(words.length * 4, 12);
  bytes.writeUInt32LE(words.length * 4, 16);
  bytes.writeUInt32LE(strings.length, 20);
  words.forEach((word, i) => {
    bytes.writeUInt32LE(word >>> 0, header + 4 * i);
  });
  bytes.write(strings, header + words.length * 4, 'latin1');
  return bytes;
}
