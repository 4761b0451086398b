import { EVENTS, type ParamType } from '../event/index.ts';

/** Sizes in bytes of the parameter types that have one (libs, driver/ppm_events_public.h: enum ppm_param_type). */
const SIZES: Partial<Record<ParamType, number>> = {
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  ERRNO: 8,
  FD: 8,
  FD32: 4,
  PID: 8,
  PID32: 4,
  UID: 4,
  GID: 4,
  FLAGS8: 1,
  FLAGS16: 2,
  FLAGS32: 4,
  ENUMFLAGS8: 1,
  ENUMFLAGS16: 2,
  ENUMFLAGS32: 4,
  MODE: 4,
  SIGTYPE: 1,
  SIGSET: 4,
  SYSCALLID: 2,
  PORT: 2,
  RELTIME: 8,
  ABSTIME: 8,
  BOOL: 4,
  DOUBLE: 8,
  IPV4ADDR: 4,
  IPV6ADDR: 16,
};

/** The largest number of parameters in the table. */
export const MAX_FIXED: number = Math.max(...EVENTS.map(({ params }) => params.length));

/** Size of parameter `i` of type `t` at `t * MAX_FIXED + i`; 0 where it varies or the table has no such parameter. */
export const FIXED_SIZES: Uint8Array = new Uint8Array(EVENTS.length * MAX_FIXED);
for (const { type, params } of EVENTS) {
  params.forEach((param, i) => {
    FIXED_SIZES[type * MAX_FIXED + i] = SIZES[param.type] ?? 0;
  });
}

/** Size in bytes of a parameter of this type; 0 where it varies. */
export const fixedSize = (type: ParamType): number => SIZES[type] ?? 0;
