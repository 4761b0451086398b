/** Advice about rules that Falco does not give: it is no part of the results that programs read. */
import type { Diagnostic } from '../diagnostic.ts';
import { checksOf, childrenOf, type Expr, fieldsOf, type Rule } from '../rules/index.ts';

/** What a process says of itself or its parents said of themselves: whoever starts it chooses these. */
const CHOSEN =
  /^proc\.(name|pname|aname|exe|pexe|aexe|exeline|args|aargs|cmdline|pcmdline|acmdline|env|aenv|sname|sid\.exe|(v?pgid)\.(name|exe))$/;

/**
 * Exceptions that a program satisfies by its name or arguments alone: a part of a condition under `not` whose terms
 * all read what the process chose itself. Names by which the rule picks its events are no exceptions from it.
 */
export function trustingExceptions(rule: Rule): Diagnostic[] {
  const picked = new Set<string>();
  collectPicked(rule.condition, picked);
  return [...trusting(rule.condition, picked)].map((names) => ({
    code: 'EXCEPTION_TRUSTS_NAME',
    severity: 'warning',
    message: `Rule '${rule.name}': an exception is satisfied by ${names} alone, which every program can choose`,
    place: { file: rule.file, line: rule.line, column: 1, length: 1 },
    frame: null,
    notes: [],
    remedy: 'Compare proc.exepath or proc.aexepath, the file that the kernel started.',
  }));
}

const namesIn = (expr: Expr): string[] =>
  checksOf(expr).flatMap(({ left }) => fieldsOf(left).map((field) => field.name));

/** Fields that terms outside of any `not` read. */
function collectPicked(expr: Expr, into: Set<string>): void {
  if (expr.kind === 'not') return;
  if (expr.kind === 'check') for (const name of namesIn(expr)) into.add(name);
  for (const child of childrenOf(expr)) collectPicked(child, into);
}

/** The names that satisfy a negated part on their own, one text for each such part. */
function* trusting(expr: Expr, picked: ReadonlySet<string>): Generator<string> {
  if (expr.kind !== 'not') {
    for (const child of childrenOf(expr)) yield* trusting(child, picked);
    return;
  }
  const ways = expr.child.kind === 'or' ? expr.child.children : [expr.child];
  for (const way of ways) {
    const names = [...new Set(namesIn(way))];
    if (names.length > 0 && onlyChosen(way) && !names.every((name) => picked.has(name))) yield names.join(' and ');
  }
}

function onlyChosen(expr: Expr): boolean {
  if (expr.kind === 'or') return expr.children.some(onlyChosen);
  if (expr.kind === 'and') return expr.children.every(onlyChosen);
  return expr.kind === 'check' && namesIn(expr).every((name) => CHOSEN.test(name));
}
