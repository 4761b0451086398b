import { createHash } from 'node:crypto';
import { Document } from 'yaml';
import { z } from 'zod';
import { PRIORITIES, type Priority } from '../../rules/index.ts';
import { type Alert, parseQuery, type Store, type StoredAlert, textOf } from '../../store/index.ts';
import type { ExceptionProposal, ExceptionProposals } from '../api.ts';
import { essence, tallyOf } from './alerts.ts';
import { type Call, Refusal, type Route } from './route.ts';
import { problemsOf, type RuleBook } from './rules.ts';

/**
 * Exceptions made from an alert: three, from one that fits little more than this very alert to one that fits
 * whatever the program does. Each says what it would have hidden of the stored alerts, and what would remain.
 */

const DAY = 86_400_000_000;
const WIDTHS = ['narrow', 'medium', 'wide'] as const;

/** Fields to tell alerts apart by, the most telling first; an alert has some of them. */
const WHO = ['proc.exepath', 'proc.name', 'ka.user.name'];
const PARENT = ['proc.pname', 'ka.verb'];
const WHERE = ['container.image.repository', 'k8s.ns.name', 'ka.target.namespace'];
const TOUCHED = ['fd.name', 'fs.path.name', 'evt.arg.path', 'ka.target.name', 'ka.target.resource'];
const SERVER = ['fd.sip', 'fd.sport'];
const EXACT = ['proc.cmdline', 'ka.uri'];

function first(alert: Alert, names: readonly string[]): string[] {
  const found = names.find((name) => textOf(alert.fields[name]) !== '');
  return found === undefined ? [] : [found];
}

/** The sets of fields, without those that say the same twice. */
function candidates(alert: Alert): string[][] {
  const who = first(alert, WHO);
  const where = first(alert, WHERE);
  const parent = first(alert, PARENT);
  const connection = textOf(alert.fields['fd.name']).includes('->');
  // The port that a connection happens to come from tells it from no other.
  const touched = connection ? SERVER.filter((name) => textOf(alert.fields[name]) !== '') : first(alert, TOUCHED);
  const sets = [
    [...who, ...parent, ...where, ...touched, ...first(alert, EXACT)],
    [...who, ...parent, ...where, ...(parent.length === 0 ? touched : [])],
    [...who, ...(who.length === 0 ? where : [])],
  ];
  const seen = new Set<string>();
  return sets.filter((set) => {
    const key = set.join(' ');
    if (set.length === 0 || seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/** The file that exceptions are written to, among those that the editor saves. */
const FILE = 'exceptions.yaml';

const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
/** As a value of an exception: what is more than a word is quoted here, since loaders put it into the condition as it is. */
const literal = (text: string) => (/^[\w.:/@%+-]+$/.test(text) ? text : quote(text));

export function exceptionRoutes(store: Store, book: RuleBook): Route[] {
  async function proposal(
    one: StoredAlert,
    fields: string[],
    width: (typeof WIDTHS)[number],
    days: number,
  ): Promise<ExceptionProposal> {
    const { alert } = one;
    const values = fields.map((field) => textOf(alert.fields[field]));
    const digest = createHash('sha256')
      .update(JSON.stringify([fields, values]))
      .digest('hex')
      .slice(0, 8);
    const name = `${(textOf(alert.fields['proc.name']) || 'known').replace(/\W+/g, '_').slice(0, 30)}_${digest}`;
    const flow = (list: readonly unknown[]) => {
      const node = document.createNode(list);
      (node as { flow?: boolean }).flow = true;
      return node;
    };
    const document = new Document([]);
    document.contents = document.createNode([
      {
        rule: alert.rule,
        exceptions: [
          { name, fields: flow(fields), comps: flow(fields.map(() => '=')), values: [flow(values.map(literal))] },
        ],
        override: { exceptions: 'append' },
      },
    ]) as never;
    const yaml = document.toString({ lineWidth: 0, flowCollectionPadding: false });
    const to = Date.now() * 1000 + 60_000_000;
    const rule = `rule = ${quote(alert.rule)}`;
    const terms = fields.map((field, i) => `${field} = ${quote(values[i] as string)}`).join(' and ');
    const count = async (query: string) =>
      tallyOf(await store.count({ from: to - days * DAY, to, query: parseQuery(query) }, 60));
    const hidden = await count(`${rule} and ${terms}`);
    const all = await count(rule);
    const hiddenByPriority: Partial<Record<Priority, number>> = {};
    let hiddenCount = 0;
    for (const [series, n] of hidden.bySeries) {
      const priority = PRIORITIES[series.priority] as Priority;
      hiddenByPriority[priority] = (hiddenByPriority[priority] ?? 0) + n;
      hiddenCount += n;
    }
    let total = 0;
    for (const n of all.bySeries.values()) total += n;
    const remainingGroups = [...all.byGroup]
      .map(([id, tally]) => ({ id, n: tally.count - (hidden.byGroup.get(id)?.count ?? 0) }))
      .filter((group) => group.n > 0)
      .sort((a, b) => b.n - a.n)
      .map(({ id, n }) => {
        const { what, touched } = essence(store.group(id)?.sample ?? '');
        return { id, n, what: what || touched || alert.rule };
      });
    const warnings: string[] = [];
    const grave = (['Emergency', 'Alert', 'Critical'] as const).filter((priority) => hiddenByPriority[priority]);
    if (grave.length > 0) warnings.push(`It would have hidden alerts rated ${grave.join(' and ')}.`);
    if (fields.includes('proc.name') && !fields.includes('proc.exepath')) {
      warnings.push(`Any program that is renamed to ${quote(textOf(alert.fields['proc.name']))} satisfies it.`);
    }
    if (fields.includes('container.image.repository')) {
      warnings.push('Another image of the same name satisfies it: the name is not a digest.');
    }
    if (fields.length === 1 && hiddenCount === total && total > 0) {
      warnings.push('It would have hidden every alert of this rule.');
    }
    const problems = (await book.rules()).has(alert.rule)
      ? problemsOf(await book.loadWith('exception.yaml', yaml), 'exception.yaml')
          .filter((problem) => problem.severity === 'error')
          .map((problem) => problem.message)
      : ['The hub has no file with this rule, so it could not check the exception against it.'];
    return {
      name,
      width,
      fields,
      values,
      yaml,
      hidden: hiddenCount,
      remaining: total - hiddenCount,
      hiddenByPriority,
      remainingGroups: remainingGroups.slice(0, 20),
      warnings,
      problems,
    };
  }

  async function proposals(one: StoredAlert, days: number): Promise<ExceptionProposals> {
    const sets = candidates(one.alert);
    const out: ExceptionProposal[] = [];
    for (const [i, fields] of sets.entries()) out.push(await proposal(one, fields, WIDTHS[i] ?? 'wide', days));
    return { rule: one.alert.rule, days, proposals: out };
  }

  const daysOf = (text: string | undefined) => Math.min(365, Math.max(1, Number(text ?? 7) || 7));

  async function found(call: Call): Promise<StoredAlert> {
    const one = await store.alert(call.id());
    if (one === null) throw new Refusal(404, `there is no alert ${call.id()}`);
    return one;
  }

  return [
    {
      method: 'POST',
      path: '/api/alerts/:id/exceptions',
      access: 'analyst',
      handle: async (call) => {
        const { name } = await call.body(z.strictObject({ name: z.string().max(100) }));
        const one = await found(call);
        const chosen = (await proposals(one, 7)).proposals.find((proposal) => proposal.name === name);
        if (chosen === undefined) throw new Refusal(404, 'there is no such exception for this alert');
        if (chosen.problems.length > 0) throw new Refusal(409, chosen.problems.join('; '));
        const before = (await book.files()).find((file) => file.saved && file.name === FILE)?.text ?? '';
        if (!before.includes(`name: ${name}`)) await book.save(FILE, `${before}${chosen.yaml}`, call.caller.name);
        await store.record(
          call.caller.name,
          'add exception',
          one.series.group,
          `${chosen.name}: ${chosen.fields.map((field, i) => `${field} = ${chosen.values[i]}`).join(' and ')}`.slice(
            0,
            1000,
          ),
        );
        return { file: FILE, rules: book.isShared };
      },
    },
    {
      method: 'GET',
      path: '/api/alerts/:id/exceptions',
      access: 'viewer',
      handle: async (call) => proposals(await found(call), daysOf(call.query('days'))),
    },
    {
      method: 'GET',
      path: '/api/groups/:id/exceptions',
      access: 'viewer',
      handle: async (call) => {
        const [one] = (await store.alerts({ from: 0, to: Number.MAX_SAFE_INTEGER, group: call.id() }, 1)).alerts;
        if (one === undefined) throw new Refusal(404, 'no alert of this group is stored any more');
        return proposals(one, daysOf(call.query('days')));
      },
    },
  ];
}
