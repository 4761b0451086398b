import { EVENTS, PARAM_WIDTH } from '../event/index.ts';

/** Room for the parameters of a type; the longest has 31 in the table, and our trailing ones. */
export const ROW = 64;

/** Number of parameters that the table gives each type. */
export const TABLE_COUNT: Uint8Array = Uint8Array.from(EVENTS, ({ params }) => params.length);

/**
 * What the lengths of parameters `2p` and `2p + 1` of type `t`, read together as one 32-bit number, must be: at
 * `t * ROW + 2p` the sizes, and behind it a mask that is 0 where the size varies. `(lengths ^ sizes) & mask` is 0 exactly
 * for right lengths.
 */
export const FIXED_PAIRS: Int32Array = new Int32Array(EVENTS.length * ROW);

const SIZES = new Uint16Array(EVENTS.length * ROW);
for (const { type, params } of EVENTS) {
  params.forEach((param, i) => {
    const size = PARAM_WIDTH[param.type];
    if (size === undefined) return;
    SIZES[type * ROW + i] = size;
    const pair = type * ROW + (i & ~1);
    const shift = (i & 1) << 4;
    FIXED_PAIRS[pair] = (FIXED_PAIRS[pair] as number) | (size << shift);
    FIXED_PAIRS[pair + 1] = (FIXED_PAIRS[pair + 1] as number) | (0xffff << shift);
  });
}

/** Size in bytes of parameter `i` of type `type`; 0 where it varies or the table has no such parameter. */
export const fixedSize = (type: number, i: number): number => (i < ROW ? (SIZES[type * ROW + i] as number) : 0);
