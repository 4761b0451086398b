import type { Event, EventInfo, ParamType } from '../event/index.ts';
import { parameterOf, pathBase } from '../fields/index.ts';
import { fieldsIn } from '../rules/index.ts';
import { Interner, type State } from '../state/index.ts';
import type { Scope } from './scope.ts';

/** Parameters whose signature is remembered by their bytes, for one event type. */
const ENTRIES = 1 << 12;
const BYTES = 1 << 18;

/** Types whose values are decided by the bytes of the parameter alone, or with the directory that a path starts from. */
const BY_BYTES: ReadonlySet<ParamType> = new Set<ParamType>([
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'CHARBUF',
  'FSPATH',
  'FSRELPATH',
  'FLAGS8',
  'FLAGS16',
  'FLAGS32',
  'ENUMFLAGS8',
  'ENUMFLAGS16',
  'ENUMFLAGS32',
  'MODE',
]);
const TEXTS: ReadonlySet<ParamType> = new Set<ParamType>(['CHARBUF', 'FSPATH', 'FSRELPATH']);

/** The part of an event that decides its parameters' signature. */
interface Range {
  readonly first: number;
  readonly last: number;
  /** Parameters in it whose length varies. */
  readonly texts: readonly number[];
  readonly paths: readonly number[];
}

/**
 * Signatures of the parameters of one event type, remembered by their bytes: the same file is removed, renamed and linked
 * again and again, and to make a text of its name and look that up costs several times as much as to find the bytes.
 */
export class ParameterSignatures {
  readonly #scope: Scope;
  /** null when the terms read something that such bytes do not decide. */
  readonly #range: Range | null;
  readonly #known: Interner<number> | null;

  /** @param scope of the type's parameters, all terms added */
  constructor(scope: Scope, info: EventInfo) {
    this.#scope = scope;
    this.#range = rangeOf(scope, info);
    this.#known = this.#range === null ? null : new Interner(ENTRIES, BYTES);
  }

  signature(event: Event, state: State): number {
    const range = this.#range;
    const known = this.#known;
    if (range === null || known === null || range.last >= event.nparams || state.thread === null) {
      return this.#scope.signature(event, state);
    }
    const { paths, texts } = range;
    let key = 0;
    for (let i = 0; i < paths.length; i++) {
      key = pathBase(event, paths[i] as number, state);
      // Two numbers make no key: relative names in pairs are rare enough.
      if (key !== 0 && texts.length > 1) return this.#scope.signature(event, state);
    }
    if (texts.length > 1) key = event.len(texts[0] as number);
    const at = event.offset(range.first);
    const length = event.offset(range.last) + event.len(range.last) - at;
    const found = known.find(event.buffer, event.view, at, length, key);
    if (found !== null) return found;
    const signature = this.#scope.signature(event, state);
    known.keep(event.buffer, event.view, at, length, key, signature);
    return signature;
  }
}

function rangeOf(scope: Scope, info: EventInfo): Range | null {
  if (info.large) return null;
  const used = new Set<number>();
  for (const check of scope.checks()) {
    for (const field of fieldsIn(check)) {
      const name = parameterOf(field);
      const at = name === null ? -1 : info.params.findIndex((param) => param.name === name);
      if (at < 0 || !BY_BYTES.has((info.params[at] as EventInfo['params'][number]).type)) return null;
      used.add(at);
    }
  }
  if (used.size === 0) return null;
  const first = Math.min(...used);
  const last = Math.max(...used);
  const inside = info.params.slice(first, last + 1).map(({ type }, i) => ({ type, at: first + i }));
  const texts = inside.filter(({ type }) => TEXTS.has(type)).map(({ at }) => at);
  // Of more texts one length would not say where each ends.
  if (texts.length > 2 || inside.some(({ type }) => !BY_BYTES.has(type) && type !== 'FD')) return null;
  const paths = texts.filter((at) => used.has(at) && info.params[at]?.type !== 'CHARBUF');
  return { first, last, texts, paths };
}
