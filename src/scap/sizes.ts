import { EVENTS, PARAM_WIDTH } from '../event/index.ts';

/** Room for the parameters of a type; the longest has 31 in the table, and our trailing ones. */
export const ROW = 64;

/** Number of parameters that the table gives each type. */
export const TABLE_COUNT: Uint8Array = Uint8Array.from(EVENTS, ({ params }) => params.length);

/**
 * Size of parameter `i` of type `t` at `t * ROW + i`, with 0xffff in the upper half, so that
 * `(length ^ entry) & (entry >>> 16)` is 0 exactly for the right length; all 0 where the size varies.
 */
export const FIXED_SIZES: Int32Array = new Int32Array(EVENTS.length * ROW);
for (const { type, params } of EVENTS) {
  params.forEach((param, i) => {
    const size = PARAM_WIDTH[param.type];
    if (size !== undefined) FIXED_SIZES[type * ROW + i] = 0xffff0000 | size;
  });
}

/** Size in bytes of parameter `i` of type `type`; 0 where it varies or the table has no such parameter. */
export const fixedSize = (type: number, i: number): number =>
  i < ROW ? (FIXED_SIZES[type * ROW + i] as number) & 0xffff : 0;
