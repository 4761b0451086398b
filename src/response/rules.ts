import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { z } from 'zod';
import { CONTEXTS, type ContextName } from './contexts.ts';
import { compileMatch } from './match.ts';

/** `"true"` and `true`: Talon's files have both. */
const flag = z.union([z.boolean(), z.stringbool()]);
const output = z.strictObject({ target: z.string(), parameters: z.record(z.string(), z.unknown()).default({}) });

const actionSchema = z.strictObject({
  action: z.string().min(1),
  description: z.string().optional(),
  actionner: z.string().optional(),
  parameters: z.record(z.string(), z.unknown()).nullish(),
  continue: flag.optional(),
  ignore_errors: flag.optional(),
  additional_contexts: z.array(z.enum(CONTEXTS)).nullish(),
  output: output.nullish(),
});
const ruleSchema = z.strictObject({
  rule: z.string().min(1),
  description: z.string().optional(),
  match: z
    .strictObject({
      rules: z.array(z.string()).nullish(),
      priority: z.string().nullish(),
      source: z.string().nullish(),
      tags: z.array(z.string()).nullish(),
      output_fields: z.array(z.string()).nullish(),
      condition: z.string().nullish(),
    })
    .nullish(),
  continue: flag.optional(),
  dry_run: flag.optional(),
  notifiers: z.array(z.string()).nullish(),
  actions: z.array(actionSchema).nullish(),
});
type RawAction = z.infer<typeof actionSchema>;
type RawRule = z.infer<typeof ruleSchema>;

/** What a rule does, as far as the file says; the actionner decides what is left open. */
export interface ActionSpec {
  readonly name: string;
  readonly actionner: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Whether the next action is done too; null: as the actionner has it. */
  readonly continues: boolean | null;
  readonly ignoreErrors: boolean;
  readonly output: { readonly target: string; readonly parameters: Readonly<Record<string, unknown>> } | null;
  /** Talon's `additional_contexts`: what the action is to know besides the alert. */
  readonly contexts: readonly ContextName[];
}

export interface ResponseRule {
  readonly name: string;
  readonly description: string;
  readonly matches: ReturnType<typeof compileMatch>;
  /** Whether the rules after it are tried too. */
  readonly continues: boolean;
  readonly dryRun: boolean;
  readonly notifiers: readonly string[];
  readonly actions: readonly ActionSpec[];
}

export interface RulesProblem {
  /** `file:line:column` */
  readonly place: string;
  readonly message: string;
  /** It works all the same: something in the file has no meaning any more. */
  readonly isObsolete?: boolean;
}

/**
 * Reads Talon's rules files. A later block of the same name overrides: single values are replaced, lists and
 * parameters are added to. Everything wrong is reported; what is wrong is left out.
 */
export function loadRules(files: readonly { readonly name: string; readonly text: string }[]): {
  rules: ResponseRule[];
  problems: RulesProblem[];
} {
  const problems: RulesProblem[] = [];
  const actions = new Map<string, RawAction>();
  const rules = new Map<string, RawRule & { place: string }>();

  for (const { name, text } of files) {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines });
    const place = (node: Node | null | undefined) => {
      const { line, col } = lines.linePos(node?.range?.[0] ?? 0);
      return `${name}:${line}:${col}`;
    };
    for (const error of document.errors)
      problems.push({
        place: `${name}:${error.linePos?.[0].line}:${error.linePos?.[0].col}`,
        message: error.message.split('\n')[0],
      });
    if (document.errors.length > 0 || document.contents === null) continue;
    if (!isSeq(document.contents)) {
      problems.push({ place: place(document.contents), message: 'expected a list of rules and actions' });
      continue;
    }
    for (const item of document.contents.items as Node[]) {
      const isAction = isMap(item) && item.has('action') && !item.has('rule');
      const parsed = (isAction ? actionSchema : ruleSchema).safeParse(item.toJS(document));
      if (!parsed.success) {
        for (const issue of parsed.error.issues) {
          const at = isMap(item)
            ? (document.getIn([(document.contents.items as Node[]).indexOf(item), ...(issue.path as string[])], true) as
                | Node
                | undefined)
            : item;
          problems.push({
            place: place(at ?? item),
            message: `${issue.path.join('.') || (isAction ? 'action' : 'rule')}: ${issue.message}`,
          });
        }
        continue;
      }
      if (isAction) {
        const action = parsed.data as RawAction;
        actions.set(action.action, mergeActions(actions.get(action.action), action));
      } else {
        const rule = parsed.data as RawRule;
        rules.set(rule.rule, {
          ...mergeRules(rules.get(rule.rule), rule),
          place: rules.get(rule.rule)?.place ?? place(item),
        });
      }
    }
  }

  const ready: ResponseRule[] = [];
  for (const rule of rules.values()) {
    const specs: ActionSpec[] = [];
    for (const given of rule.actions ?? []) {
      // A rule's action with a name that stands alone takes its actionner and parameters from there.
      const action = mergeActions(actions.get(given.action), given);
      if (action.actionner === undefined) {
        problems.push({ place: rule.place, message: `rule "${rule.rule}": action "${given.action}" has no actionner` });
        continue;
      }
      specs.push(toSpec(action, action.actionner));
    }
    try {
      const match = rule.match ?? {};
      ready.push({
        name: rule.rule,
        description: rule.description ?? '',
        matches: compileMatch({
          rules: match.rules ?? [],
          priority: match.priority ?? '',
          source: match.source ?? '',
          tags: match.tags ?? [],
          output_fields: match.output_fields ?? [],
          condition: match.condition ?? '',
        }),
        continues: rule.continue ?? true,
        dryRun: rule.dry_run ?? false,
        notifiers: rule.notifiers ?? [],
        actions: specs,
      });
    } catch (error) {
      problems.push({ place: rule.place, message: `rule "${rule.rule}": ${(error as Error).message}` });
    }
  }
  return { rules: ready, problems };
}

function toSpec(action: RawAction, actionner: string): ActionSpec {
  return {
    name: action.action,
    actionner,
    parameters: action.parameters ?? {},
    continues: action.continue ?? null,
    ignoreErrors: action.ignore_errors ?? false,
    output: action.output ?? null,
    contexts: action.additional_contexts ?? [],
  };
}

function mergeActions(before: RawAction | undefined, after: RawAction): RawAction {
  if (before === undefined) return after;
  return { ...before, ...defined(after), parameters: { ...before.parameters, ...after.parameters } };
}

function mergeRules(before: RawRule | undefined, after: RawRule): RawRule {
  if (before === undefined) return after;
  const lists = <T>(a: readonly T[] | null | undefined, b: readonly T[] | null | undefined): T[] => [
    ...(a ?? []),
    ...(b ?? []),
  ];
  return {
    ...before,
    ...defined(after),
    notifiers: lists(before.notifiers, after.notifiers),
    actions: lists(before.actions, after.actions),
    match: {
      ...before.match,
      ...defined(after.match ?? {}),
      rules: lists(before.match?.rules, after.match?.rules),
      tags: lists(before.match?.tags, after.match?.tags),
      output_fields: lists(before.match?.output_fields, after.match?.output_fields),
    },
  };
}

function defined<T extends object>(object: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined && value !== null),
  ) as Partial<T>;
}

/**
 * The `actions:` of Falco rules: names, or `{name, with}`, resolved against the configuration's `actions`. Each rule that
 * has some becomes a response rule of its own.
 */
export function rulesFromFalco(
  files: readonly { readonly name: string; readonly text: string }[],
  named: Readonly<
    Record<
      string,
      {
        readonly actionner: string;
        readonly parameters?: Readonly<Record<string, unknown>> | undefined;
        readonly continue?: boolean | undefined;
      }
    >
  >,
): { rules: ResponseRule[]; problems: RulesProblem[] } {
  const problems: RulesProblem[] = [];
  const rules: ResponseRule[] = [];
  const item = z.union([
    z.string().transform((name) => ({ name, with: {} })),
    z.strictObject({ name: z.string(), with: z.record(z.string(), z.unknown()).default({}) }),
  ]);
  for (const { name: file, text } of files) {
    const document = parseDocument(text);
    const items = document.errors.length > 0 ? [] : (document.toJS() as unknown);
    if (!Array.isArray(items)) {
      problems.push({ place: file, message: document.errors[0]?.message.split('\n')[0] ?? 'expected a list' });
      continue;
    }
    for (const falcoRule of items as Record<string, unknown>[]) {
      if (typeof falcoRule?.rule !== 'string' || falcoRule.actions === undefined) continue;
      const { rule } = falcoRule;
      const parsed = z.array(item).safeParse(falcoRule.actions);
      if (!parsed.success) {
        problems.push({ place: file, message: `rule "${rule}": actions: ${z.prettifyError(parsed.error)}` });
        continue;
      }
      const actions: ActionSpec[] = [];
      for (const { name, with: parameters } of parsed.data) {
        const found = named[name];
        if (found === undefined) {
          problems.push({ place: file, message: `rule "${rule}": there is no action "${name}" in the configuration` });
          continue;
        }
        // What the rule names is all done, whatever the actionner's default is.
        actions.push({
          name,
          actionner: found.actionner,
          parameters: { ...found.parameters, ...parameters },
          continues: found.continue ?? true,
          ignoreErrors: false,
          output: null,
          contexts: [],
        });
      }
      const match = { rules: [rule], priority: '', source: '', tags: [], output_fields: [], condition: '' };
      rules.push({
        name: rule,
        description: '',
        matches: compileMatch(match),
        continues: true,
        dryRun: false,
        notifiers: [],
        actions,
      });
    }
  }
  return { rules, problems };
}
