/** Reads files of rule tests: YAML, a list of rules with the cases in which each fires and in which it is silent. */
import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';

/** A program, as tests write it: a command line, or by member. */
export type ProgramSpec = string | ProgramFields;

export interface ProgramFields {
  /** Command line; the first word is the program, words may be quoted. */
  readonly cmd?: string;
  readonly name?: string;
  readonly exe?: string;
  readonly exepath?: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: string | number;
  readonly loginuid?: number;
  readonly tty?: number;
  readonly vpid?: number;
  readonly pgid?: number;
  /** False: a member of somebody else's process group. */
  readonly leader?: boolean;
  /** False: not the leader of its session. */
  readonly session?: boolean;
  /** Seconds since its start. */
  readonly age?: number;
  /** Capabilities, permitted and effective, by name. */
  readonly caps?: string;
  /** `writable`, `upper_layer`, `memfd`, `lower_layer`, `deleted`. */
  readonly image?: readonly string[];
  readonly container?: ContainerSpec | false;
  /** Open descriptors at the start, by number; of an ancestor. */
  readonly fds?: Readonly<Record<string, string>>;
}

/** The repository of the image, or by member. */
export type ContainerSpec = string | ContainerFields;

export interface ContainerFields {
  readonly image: string;
  readonly tag?: string;
  readonly privileged?: boolean;
  readonly hostPid?: boolean;
  readonly hostNetwork?: boolean;
  readonly mounts?: readonly string[];
  readonly namespace?: string;
  readonly pod?: string;
}

/** A short form (`read PATH`), or the event's type with its parameters by name. */
export type EventSpec = string | Readonly<Record<string, unknown>>;

export interface Case {
  readonly rule: string;
  readonly fires: boolean;
  readonly title: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly process: ProgramSpec;
  /** The nearest first. */
  readonly parents: readonly ProgramSpec[];
  readonly container: ContainerSpec | null;
  /** Names of addresses, as the resolver gives them. */
  readonly names: Readonly<Record<string, string>>;
  /** Open descriptors at the start, by number. */
  readonly fds: Readonly<Record<string, string>>;
  readonly events: readonly EventSpec[];
  /** A capture beside the file, in place of processes and events, with the numbers of its first and last event. */
  readonly capture: { readonly file: string; readonly from: number; readonly to: number } | null;
  /** Fields of the alert with the values that they must have. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A file of tests that cannot be read; the message says where and why. */
export class RuleTestError extends Error {
  override name = 'RuleTestError';
}

const CASE_KEYS = new Set([
  'title',
  'process',
  'parents',
  'container',
  'names',
  'fds',
  'event',
  'events',
  'capture',
  'numbers',
  'fields',
]);

/** @throws {RuleTestError} for what is not a list of tests. */
export function readTests(file: string, text: string): Case[] {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter });
  const line = (node: unknown): number => counter.linePos((node as Node | null)?.range?.[0] ?? 0).line;
  const fail = (node: unknown, message: string): never => {
    throw new RuleTestError(`${file}:${line(node)}: ${message}`);
  };
  const broken = document.errors[0];
  if (broken !== undefined) throw new RuleTestError(`${file}: ${broken.message}`);
  if (document.contents === null) return [];
  if (!isSeq(document.contents)) return fail(document.contents, 'tests are a list of rules');
  return document.contents.items.flatMap((item) => {
    if (!isMap(item)) return fail(item, "a test is a map with 'rule', 'fires' and 'silent'");
    const rule = item.get('rule');
    if (typeof rule !== 'string') return fail(item, "the name of the rule is missing ('rule')");
    for (const { key } of item.items) {
      if (!['rule', 'fires', 'silent'].includes(String(key))) fail(key, `unknown key '${String(key)}'`);
    }
    return (['fires', 'silent'] as const).flatMap((verdict) => {
      const cases = item.get(verdict);
      if (cases === undefined) return [];
      if (!isSeq(cases)) return fail(item, `'${verdict}' is a list of cases`);
      return cases.items.map((node, i) => {
        if (!isMap(node)) return fail(node, 'a case is a map');
        for (const { key } of node.items) if (!CASE_KEYS.has(String(key))) fail(key, `unknown key '${String(key)}'`);
        return makeCase(node.toJSON(), {
          rule,
          fires: verdict === 'fires',
          file,
          line: line(node),
          title: `${verdict === 'fires' ? 'fires' : 'is silent'} (${i + 1})`,
        });
      });
    });
  });
}

type Raw = Readonly<Record<string, unknown>>;

function makeCase(raw: Raw, known: Pick<Case, 'rule' | 'fires' | 'file' | 'line' | 'title'>): Case {
  const events = raw.events ?? (raw.event === undefined ? ['exec'] : [raw.event]);
  const numbers = typeof raw.numbers === 'string' ? raw.numbers.split('-').map(Number) : [1, Number.MAX_SAFE_INTEGER];
  return {
    ...known,
    title: typeof raw.title === 'string' ? raw.title : known.title,
    process: (raw.process ?? 'program') as ProgramSpec,
    parents: (raw.parents ?? []) as ProgramSpec[],
    container: (raw.container ?? null) as ContainerSpec | null,
    names: (raw.names ?? {}) as Record<string, string>,
    fds: (raw.fds ?? {}) as Record<string, string>,
    events: events as EventSpec[],
    capture:
      typeof raw.capture === 'string'
        ? { file: raw.capture, from: numbers[0] as number, to: numbers[1] ?? (numbers[0] as number) }
        : null,
    fields: (raw.fields ?? {}) as Raw,
  };
}
