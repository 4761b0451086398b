import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { fromByteString } from '../../bytes.ts';
import { FIELDS, fieldCatalogue } from '../../fields/index.ts';
import {
  type Expr,
  type FieldRef,
  fieldsIn,
  fieldsOf,
  type LoadResult,
  loadRules,
  print,
  type Rule,
  type RulesFile,
} from '../../rules/index.ts';
import { type Alert, evaluateCheck, type Json, type Store, textOf } from '../../store/index.ts';
import type {
  Backtest,
  ExplainNode,
  Explanation,
  FieldInfo,
  ReportRow,
  RuleCheck,
  RuleFile,
  RuleProblem,
  RuleRow,
} from '../api.ts';
import { essence, filterOf } from './alerts.ts';
import { attackMatrix } from './attack.ts';
import { type Call, Refusal, type Route } from './route.ts';
import { expensesOf } from './sensors.ts';
import { judgeRecording } from './timeline.ts';

/** The rules that the hub knows: the files that it was started with, and those saved in its editor. */
export interface RuleBook {
  /** All rules by name, from what loads; an alert's rule may be unknown. */
  rules(): Promise<ReadonlyMap<string, Rule>>;
  files(): Promise<readonly RuleFile[]>;
  /** Loads all files with this one added or in the place of its namesake. */
  loadWith(name: string, text: string): Promise<LoadResult>;
  /** Saves a file, when all files load with it. Throws a Refusal when they do not. */
  save(name: string, text: string, who: string): Promise<LoadResult>;
  /** Whether sensors of this host read what is saved. */
  readonly isShared: boolean;
  readonly routes: Route[];
}

const DAY = 86_400_000_000;
/** Alerts of a rule that a back-test reads, the latest first. */
const BACKTESTED = 5000;

const catalogue = fieldCatalogue();

function load(files: readonly RulesFile[]): LoadResult {
  return loadRules(files, catalogue);
}

/** What is wrong in the file of that name. */
export function problemsOf(result: LoadResult, name: string): RuleProblem[] {
  const file = result.files.findLast((one) => one.name === name);
  // What nobody refers to is told at the end, of all files; it is the matter of the file where it stands.
  const own = (file?.diagnostics ?? []).filter(({ place }) => place.file === name);
  return own.map(({ severity, code, message, place }) => ({
    severity,
    code,
    message: fromByteString(message),
    line: place.line,
    column: place.column,
  }));
}

/** A condition's truth on a stored alert; null where the alert does not hold a field that decides it. */
export function judge(expr: Expr, alert: Alert): boolean | null {
  switch (expr.kind) {
    case 'and':
    case 'or': {
      const absorbing = expr.kind === 'or';
      let open = false;
      for (const child of expr.children) {
        const result = judge(child, alert);
        if (result === absorbing) return absorbing;
        if (result === null) open = true;
      }
      return open ? null : !absorbing;
    }
    case 'not': {
      const result = judge(expr.child, alert);
      return result === null ? null : !result;
    }
    case 'constant':
      return expr.value;
    case 'macro':
      return null;
    case 'check': {
      if (fieldsIn(expr).some((field) => fieldOf(alert, nameOf(field)) === undefined)) return null;
      return evaluateCheck(expr, (name, argument) => fieldOf(alert, argument === null ? name : `${name}[${argument}]`));
    }
  }
}

/** A field's value: undefined when the alert does not hold it, null when it holds that there is none. */
function fieldOf(alert: Alert, name: string): Json | undefined {
  if (!Object.hasOwn(alert.fields, name)) return undefined;
  return textOf(alert.fields[name]) === '' ? null : alert.fields[name];
}

const nameOf = ({ name, argument }: FieldRef): string => (argument === null ? name : `${name}[${argument}]`);

/**
 * The condition as a tree, each term with what the alert says of it.
 * @param truth what the expression must have been, since the rule fired; null where that decides nothing
 */
export function explain(expr: Expr, alert: Alert, truth: boolean | null = true): ExplainNode {
  const macro = 'macro' in expr ? (expr.macro ?? null) : null;
  const seen = judge(expr, alert);
  const said = { result: seen ?? truth, deduced: seen === null && truth !== null, macro, value: null };
  switch (expr.kind) {
    case 'and':
    case 'or': {
      // Of an `and` that was true, every part was; of an `or` that was true, at least the only part that can have been.
      const absorbing = expr.kind === 'or';
      const open = expr.children.filter((child) => judge(child, alert) !== !absorbing);
      const part = truth === null ? null : truth !== absorbing ? truth : open.length === 1 ? truth : null;
      const children = expr.children.map((child) => explain(child, alert, part));
      return { kind: expr.kind, text: '', ...said, children };
    }
    case 'not':
      return { kind: 'not', text: '', ...said, children: [explain(expr.child, alert, truth === null ? null : !truth)] };
    default: {
      const [field] = expr.kind === 'check' ? fieldsOf(expr.left) : [];
      const value = field === undefined ? undefined : fieldOf(alert, nameOf(field));
      return {
        kind: 'term',
        text: fromByteString(print(expr)),
        ...said,
        value: value === undefined ? null : value === null ? '<NA>' : textOf(value),
        children: [],
      };
    }
  }
}

/** What the rules are tried on, and who says what they cost. */
interface Surroundings {
  /** The files of the latest recordings, for back-tests. */
  readonly recordings: () => Promise<readonly string[]>;
  readonly sensors: () => Promise<readonly ReportRow[]>;
  readonly log: (message: string) => void;
  /** Where saved files are written to, for sensors of this host; nothing else lies there. */
  readonly directory: string | undefined;
}

export function createRuleBook(
  store: Store,
  paths: readonly string[],
  { recordings, sensors, log, directory }: Surroundings,
): RuleBook {
  let known: Promise<LoadResult> | null = null;
  let lastGood: ReadonlyMap<string, Rule> = new Map();

  async function files(): Promise<RuleFile[]> {
    const given = paths.flatMap((path): RuleFile[] => {
      try {
        return [
          { name: path.replace(/^.*\//, ''), text: readFileSync(path, 'utf8'), saved: false, time: null, who: null },
        ];
      } catch (error) {
        log(`cannot read ${path}: ${(error as Error).message}`);
        return [];
      }
    });
    const saved = (await store.sql.all('SELECT name, text, who, time FROM rule_files ORDER BY name')).map(
      (row): RuleFile => ({
        name: row.name as string,
        text: row.text as string,
        saved: true,
        time: (row.time as number) / 1000,
        who: row.who as string,
      }),
    );
    // A saved file stands in the place of its namesake; the others come after what they override.
    const names = new Set(saved.map((file) => file.name));
    return [...given.filter((file) => !names.has(file.name)), ...saved];
  }

  const withFile = (list: readonly RuleFile[], name: string, text: string): RulesFile[] => {
    const at = list.findIndex((file) => file.name === name);
    const all: RulesFile[] = list.map((file) => ({ name: file.name, text: file.text }));
    if (at < 0) all.push({ name, text });
    else all[at] = { name, text };
    return all;
  };

  async function loaded(): Promise<LoadResult> {
    known ??= files().then((list) => load(list));
    return known;
  }

  async function rules(): Promise<ReadonlyMap<string, Rule>> {
    const { ruleSet } = await loaded();
    // Files that do not load leave the hub with the rules that it had.
    if (ruleSet !== null) lastGood = new Map(ruleSet.rules.map((rule) => [fromByteString(rule.name), rule]));
    return lastGood;
  }

  async function hits(from: number): Promise<Map<string, { n: number; last: number; groups: Set<number> }>> {
    const counts = await store.count({ from, to: Date.now() * 1000 + 60_000_000 }, 60);
    const out = new Map<string, { n: number; last: number; groups: Set<number> }>();
    for (const { series, n } of counts.rows) {
      const entry = out.get(series.rule) ?? { n: 0, last: 0, groups: new Set<number>() };
      entry.n += n;
      entry.last = Math.max(entry.last, store.group(series.group)?.lastSeen ?? 0);
      entry.groups.add(series.group);
      out.set(series.rule, entry);
    }
    return out;
  }

  /** Mean costs of an evaluation, in nanoseconds: by the sensors that are asked, and those that report. */
  async function costs(): Promise<Map<string, number>> {
    const said = (await store.sql.all("SELECT body FROM reports WHERE kind='sensor'")).map(
      (row): ReportRow => ({ kind: 'sensor', name: '', time: 0, body: JSON.parse(row.body as string) }),
    );
    return new Map(
      expensesOf([...(await sensors()), ...said]).flatMap(({ name, evaluations, nanoseconds }) =>
        evaluations > 0 ? [[name, nanoseconds / evaluations] as const] : [],
      ),
    );
  }

  async function list(call: Call): Promise<{ rules: RuleRow[]; files: RuleFile[] }> {
    const byName = await rules();
    const fired = await hits(filterOf(call, 7).from);
    const cost = await costs();
    const rows: RuleRow[] = [...byName].map(([name, rule]) => ({
      name,
      description: fromByteString(rule.description),
      priority: rule.priority,
      source: rule.source,
      tags: rule.tags.map(fromByteString),
      enabled: rule.enabled,
      file: rule.file,
      line: rule.line,
      hits: fired.get(name)?.n ?? 0,
      groups: fired.get(name)?.groups.size ?? 0,
      lastFired: fired.has(name) ? (fired.get(name)?.last ?? 0) / 1000 : null,
      cost: cost.get(name) ?? null,
    }));
    for (const [name, entry] of fired) {
      if (byName.has(name)) continue;
      const group = store.group([...entry.groups][0] as number);
      rows.push({
        name,
        description: '',
        priority: null,
        source: group?.source ?? '',
        tags: store.seriesOf(group?.id ?? 0)[0]?.tags ?? [],
        enabled: true,
        file: '',
        line: 0,
        hits: entry.n,
        groups: entry.groups.size,
        lastFired: entry.last / 1000,
        cost: cost.get(name) ?? null,
      });
    }
    return { rules: rows.sort((a, b) => b.hits - a.hits || a.name.localeCompare(b.name)), files: await files() };
  }

  async function backtest(name: string, text: string, days: number): Promise<Backtest> {
    const result = load(withFile(await files(), name, text));
    if (result.ruleSet === null) throw new Refusal(400, 'the rules do not load; see the problems');
    const before = await rules();
    const to = Date.now() * 1000 + 60_000_000;
    const out: Backtest['rules'][number][] = [];
    const changed: Rule[] = [];
    for (const rule of result.ruleSet.rules) {
      const ruleName = fromByteString(rule.name);
      const old = before.get(ruleName);
      if (rule.file !== name && old !== undefined && old.conditionText === rule.conditionText) continue;
      const groups = new Set([...store.groups()].filter((group) => group.rule === ruleName).map((group) => group.id));
      const tally = { unchanged: 0, gone: 0, unknown: 0 };
      const examples: { id: number; what: string }[] = [];
      let left = BACKTESTED;
      for (const group of groups) {
        let before: { time: number; id: number } | undefined;
        do {
          const page = await store.alerts({ from: to - days * DAY, to, group }, 500, before);
          for (const one of page.alerts) {
            const truth = rule.enabled ? judge(rule.condition, one.alert) : false;
            if (truth === true) tally.unchanged++;
            else if (truth === null) tally.unknown++;
            else {
              tally.gone++;
              if (examples.length < 5) examples.push({ id: one.id, what: essence(one.text).what });
            }
          }
          left -= page.alerts.length;
          before = page.next ?? undefined;
        } while (before !== undefined && left > 0);
      }
      changed.push(rule);
      out.push({ rule: ruleName, ...tally, added: 0, examples });
    }
    // What a change newly finds, only recordings can tell: they hold the events that raised nothing.
    let captures = 0;
    const added = new Map<string, number>();
    for (const file of changed.length === 0 ? [] : await recordings()) {
      const after = await judgeRecording(
        file,
        changed.filter((rule) => rule.enabled),
      );
      if (after === null) continue;
      captures++;
      const known = changed
        .flatMap((rule) => before.get(fromByteString(rule.name)) ?? [])
        .filter((rule) => rule.enabled);
      const old = await judgeRecording(file, known);
      for (const [rule, events] of after) {
        const fresh = [...events].filter((event) => old?.get(rule)?.has(event) !== true).length;
        added.set(rule, (added.get(rule) ?? 0) + fresh);
      }
    }
    return { days, rules: out.map((row) => ({ ...row, added: added.get(row.rule) ?? 0 })), captures };
  }

  const textSchema = z.string().max(4 * 1024 * 1024);
  const nameSchema = z.string().regex(/^[\w.-]{1,100}\.ya?ml$/);

  /** Puts the saved files, and no others, where sensors read them. */
  async function share(): Promise<void> {
    if (directory === undefined) return;
    const saved = (await files()).filter((file) => file.saved);
    for (const { name, text } of saved) {
      const path = join(directory, name);
      if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
      // In one step: a sensor that looks at it meanwhile must not see half a file.
      writeFileSync(`${path}.part`, text, { mode: 0o600 });
      renameSync(`${path}.part`, path);
    }
    for (const name of readdirSync(directory)) {
      if (/\.ya?ml$/.test(name) && !saved.some((file) => file.name === name)) rmSync(join(directory, name));
    }
  }
  share().catch((error: Error) => log(`cannot write rules to ${directory}: ${error.message}`));

  async function save(name: string, text: string, who: string): Promise<LoadResult> {
    const result = load(withFile(await files(), name, text));
    if (result.ruleSet === null) throw new Refusal(400, 'the rules do not load; see the problems');
    await store.write((writer) =>
      writer.run(
        `INSERT INTO rule_files(name, text, who, time) VALUES(?,?,?,?)
         ON CONFLICT(name) DO UPDATE SET text=excluded.text, who=excluded.who, time=excluded.time`,
        name,
        text,
        who,
        Date.now() * 1000,
      ),
    );
    known = null;
    await share();
    return result;
  }

  return {
    rules,
    files,
    save,
    isShared: directory !== undefined,
    loadWith: async (name, text) => load(withFile(await files(), name, text)),
    routes: [
      { method: 'GET', path: '/api/rules', access: 'viewer', handle: list },
      {
        method: 'GET',
        path: '/api/rules/fields',
        access: 'viewer',
        handle: async (): Promise<FieldInfo[]> =>
          FIELDS.filter((field) => !field.hidden && !field.deprecated).map((field) => ({
            name: field.name + (field.argument === 'required' ? '[' : ''),
            type: field.type,
            description: field.description,
          })),
      },
      {
        method: 'POST',
        path: '/api/rules/check',
        access: 'analyst',
        handle: async (call): Promise<RuleCheck> => {
          const { name, text } = await call.body(z.strictObject({ name: nameSchema, text: textSchema }));
          const result = load(withFile(await files(), name, text));
          return { problems: problemsOf(result, name), rules: result.ruleSet?.rules.length ?? 0 };
        },
      },
      {
        method: 'POST',
        path: '/api/rules/backtest',
        access: 'analyst',
        handle: async (call) => {
          const { name, text, days } = await call.body(
            z.strictObject({ name: nameSchema, text: textSchema, days: z.number().positive().max(365) }),
          );
          return backtest(name, text, days);
        },
      },
      {
        method: 'PUT',
        path: '/api/rules/files/:name',
        access: 'analyst',
        handle: async (call): Promise<RuleCheck> => {
          const { text } = await call.body(z.strictObject({ text: textSchema }));
          const parsed = nameSchema.safeParse(call.param('name'));
          if (!parsed.success) throw new Refusal(400, 'the name of a rule file ends in .yaml');
          const result = await save(parsed.data, text, call.caller.name);
          await store.record(call.caller.name, 'save rules', null, parsed.data);
          return { problems: problemsOf(result, parsed.data), rules: result.ruleSet?.rules.length ?? 0 };
        },
      },
      {
        method: 'DELETE',
        path: '/api/rules/files/:name',
        access: 'analyst',
        handle: async (call) => {
          const name = call.param('name');
          const removed = await store.write((writer) => writer.run('DELETE FROM rule_files WHERE name=?', name));
          if (removed === 0) throw new Refusal(404, `there is no saved file ${name}`);
          await store.record(call.caller.name, 'remove rules', null, name);
          known = null;
          await share();
          return null;
        },
      },
      {
        method: 'GET',
        path: '/api/attack',
        access: 'viewer',
        handle: async (call) => {
          const fired = await hits(filterOf(call, 7).from);
          const list: { name: string; tags: readonly string[] }[] = [...(await rules())].map(([name, rule]) => ({
            name,
            tags: rule.tags.map(fromByteString),
          }));
          const names = new Set(list.map((rule) => rule.name));
          for (const [name, entry] of fired) {
            if (names.has(name)) continue;
            list.push({ name, tags: store.seriesOf([...entry.groups][0] as number)[0]?.tags ?? [] });
          }
          return attackMatrix(list, new Map([...fired].map(([name, entry]) => [name, entry.n])));
        },
      },
      {
        method: 'GET',
        path: '/api/alerts/:id/explanation',
        access: 'viewer',
        handle: async (call): Promise<Explanation> => {
          const one = await store.alert(call.id());
          if (one === null) throw new Refusal(404, `there is no alert ${call.id()}`);
          const rule = (await rules()).get(one.alert.rule);
          if (rule === undefined) return { rule: null, tree: null };
          return {
            rule: {
              name: one.alert.rule,
              description: fromByteString(rule.description),
              condition: fromByteString(rule.conditionText),
              file: rule.file,
            },
            tree: explain(rule.condition, one.alert),
          };
        },
      },
    ],
  };
}
