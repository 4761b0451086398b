import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { toByteString } from '../../src/bytes.ts';
import type { Event } from '../../src/event/index.ts';
import { fieldCatalogue } from '../../src/fields/index.ts';
import {
  Checker,
  evaluateOperand,
  type FieldRef,
  formatAddress,
  interpret,
  parseCondition,
  parseOperand,
  type Value,
} from '../../src/rules/index.ts';
import { ScapReader } from '../../src/scap/index.ts';
import { State } from '../../src/state/index.ts';

/** Values of fields and truths of conditions on small captures of the reference's own tests, where they are at hand. */
const shared = new URL('../../../shared/conformance/sinsp/', import.meta.url);
const absent = !existsSync(shared);

interface Case {
  readonly kind: 'field' | 'has_value' | 'filter' | 'format' | 'format_json';
  readonly in: string;
  readonly evtnum: number;
  readonly test: string;
  readonly scap: string;
  readonly value?: string;
  readonly result?: boolean;
  readonly falco0441: boolean;
}

/** Cases that we do not meet, and why. */
const EXCEPTIONS: Readonly<Record<string, string>> = {};

const cases: Case[] = absent
  ? []
  : readFileSync(new URL('checks.jsonl', shared), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Case)
      .filter((one) => one.kind === 'field' || one.kind === 'has_value' || one.result !== undefined);

const catalogue = fieldCatalogue();
const checker = new Checker(catalogue, 'syscall');

function replay(scap: string, visit: (event: Event, state: State) => void): void {
  let bytes: Uint8Array = readFileSync(new URL(scap, shared));
  if (bytes[0] === 0x1f) bytes = gunzipSync(bytes);
  const state = new State();
  const reader = new ScapReader(state.sink);
  reader.push(bytes, (event) => {
    state.apply(event);
    visit(event, state);
  });
}

/** As outputs show it. */
function show(value: Value | null, type: string): string {
  if (value === null) return '<NA>';
  if (Array.isArray(value)) return `(${value.map((item) => show(item, type)).join(',')})`;
  if (typeof value === 'string' && type.startsWith('IP')) return formatAddress(value);
  return String(value);
}

/** The value of a field in an event, for conditions or for outputs. */
function readerOf(event: Event, state: State, forOutput: boolean) {
  return (ref: FieldRef): Value | null => {
    const field = catalogue.get(ref.name);
    if (field === undefined) throw new Error(`no field ${ref.name}`);
    const bind = forOutput && field.bindPrint !== null ? field.bindPrint : field.bind;
    return bind(ref.argument)(event, state);
  };
}

function answer(one: Case, event: Event, state: State): string | boolean {
  if (one.kind === 'filter') {
    const { expr } = checker.check(parseCondition(toByteString(one.in)));
    return interpret(expr, readerOf(event, state, false));
  }
  const parsed = parseOperand(one.in);
  if (parsed === null) throw new Error(`no field: ${one.in}`);
  const operand = checker.operand(parsed);
  const value = evaluateOperand(operand, readerOf(event, state, one.kind === 'field'));
  if (one.kind === 'has_value') return value !== null;
  return show(value, operand.kind === 'field' ? (operand.spec?.type ?? '') : '');
}

describe('values of fields and truths of conditions on captures of the reference', () => {
  const byScap = Map.groupBy(cases, (one) => one.scap);
  for (const [scap, checks] of byScap) {
    it(scap.replace(/^scaps\/|\.scap$/g, ''), () => {
      const wrong: unknown[] = [];
      const seen = new Set<Case>();
      replay(scap, (event, state) => {
        for (const one of checks) {
          if (one.evtnum !== event.num) continue;
          seen.add(one);
          const want = one.kind === 'field' ? one.value : one.result;
          let got: string | boolean;
          try {
            got = answer(one, event, state);
          } catch (error) {
            got = `error: ${(error as Error).message}`;
          }
          const known = EXCEPTIONS[`${one.test} ${one.in}`] !== undefined;
          if ((got !== want) !== known) wrong.push({ event: one.evtnum, kind: one.kind, in: one.in, want, got });
        }
      });
      for (const one of checks) if (!seen.has(one)) wrong.push({ event: one.evtnum, in: one.in, got: 'no such event' });
      expect(wrong).toEqual([]);
    });
  }

  it('are at hand', (ctx) => {
    if (absent) ctx.skip('the captures of the reference are not beside the checkout');
    expect(cases.length).toBeGreaterThan(900);
  });
});
