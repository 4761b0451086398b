/**
 * What the rule language needs to know of the fields that it is given. The language knows no event:
 * whoever compiles rules hands in a catalogue (src/fields makes the one for the product).
 */

/** Field types that conditions can meet (PT_ names without the prefix). */
export type FieldType =
  | 'CHARBUF'
  | 'FSPATH'
  | 'FSRELPATH'
  | 'BYTEBUF'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'ERRNO'
  | 'FD'
  | 'PID'
  | 'UID'
  | 'GID'
  | 'PORT'
  | 'FLAGS8'
  | 'FLAGS16'
  | 'FLAGS32'
  | 'MODE'
  | 'SIGTYPE'
  | 'SYSCALLID'
  | 'RELTIME'
  | 'ABSTIME'
  | 'BOOL'
  | 'DOUBLE'
  | 'IPADDR'
  | 'IPV4ADDR'
  | 'IPV6ADDR'
  | 'IPNET'
  | 'IPV4NET'
  | 'IPV6NET'
  | 'SOCKADDR'
  | 'SOCKTUPLE'
  | 'FDLIST'
  | 'SIGSET'
  | 'DYN';

/**
 * What a field yields.
 * - text and buffers: a *byte string* (one char a byte); `null` stands for "no value".
 * - integers and times: a number while it is a safe integer, else a bigint (always normalised so that `===` works).
 * - IPADDR/IPNET: a byte string of 4 or 16 bytes in network order.
 * - list-valued fields: an array; an empty one is no value.
 * - fields that mean either end of a connection (`fd.ip`, `fd.port`, `fd.net`, `fd.proto`; not `isList`): an array of
 *   the two, of which one must satisfy the comparison (`!=`: both).
 */
export type Value = string | number | bigint | boolean | readonly Value[];

export interface FieldSpec {
  readonly name: string;
  readonly type: FieldType;
  readonly isList: boolean;
  /** `none`: refuses `[…]`; `optional`; `required`. */
  readonly argument: 'none' | 'optional' | 'required';
  readonly filterOnly: boolean;
  readonly printOnly: boolean;
  readonly deprecated: boolean;
  /** May not be compared with another field, on either side (EPF_NO_RHS). */
  readonly noRhs: boolean;
  /** May not be the argument of a transformer (EPF_NO_TRANSFORMER). */
  readonly noTransformer: boolean;
  /**
   * The field stands for several values at once although it is not list-valued, so its value is an array:
   * `any`: a comparison is true when it is true for any of them (`proc.aname` without index: every ancestor);
   * `ends`: both ends of a connection (`fd.ip`, `fd.port`, `fd.net`): true when any end satisfies it,
   * but for `!=`, which both ends must satisfy.
   */
  readonly multi?: 'any' | 'ends' | undefined;
  /** Says what is wrong with an argument, in the reference's words; null when it is fine. */
  readonly checkArgument?: ((argument: string) => string | null) | undefined;
}

export interface FieldCatalogue {
  /**
   * The field of that name in the given event source, the name as it is written before the brackets: for
   * `evt.rawarg.flags` the catalogue is asked for the whole of it, and answers with the type of that parameter.
   */
  find(name: string, source: string): FieldSpec | undefined;
  /** Event sources that are known (`syscall`, `k8s_audit`, …); rules of other sources are skipped. */
  readonly sources: readonly string[];
  /** Event codes whose `evt.type` is `name`; undefined when no event has that name. Enter and exit codes alike. */
  eventTypes(name: string): readonly number[] | undefined;
  /** Every event code that a rule without a restriction on `evt.type` is evaluated on, in that source. */
  allEventTypes(source: string): readonly number[];
  /** What `evt.type` may be on events of these codes, each name once, in any order; several for the generic one. */
  eventNames(codes: readonly number[]): readonly string[];
  /** Names of the fields that a source has, to guess what was meant by one that it has not. */
  fieldNames(source: string): readonly string[];
}
