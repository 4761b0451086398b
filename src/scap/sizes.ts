import { EVENTS, PARAM_WIDTH } from '../event/index.ts';

/** The largest number of parameters in the table. */
export const MAX_PARAMS: number = Math.max(...EVENTS.map(({ params }) => params.length));

/** Size of parameter `i` of type `t` at `t * MAX_PARAMS + i`; 0 where it varies or the table has no such parameter. */
export const FIXED_SIZES: Uint8Array = new Uint8Array(EVENTS.length * MAX_PARAMS);
for (const { type, params } of EVENTS) {
  params.forEach((param, i) => {
    FIXED_SIZES[type * MAX_PARAMS + i] = PARAM_WIDTH[param.type] ?? 0;
  });
}
