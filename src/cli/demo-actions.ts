/** The suspicious, harmless acts of `demo/actions`: each raises the rule whose name stands before it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Action {
  /** The rule that it raises. */
  readonly rule: string;
  readonly place: 'host' | 'container';
  /** Lines of sh. */
  readonly body: string;
}

const FOLDER = new URL('../../demo/actions/', import.meta.url);
const text = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8');

/** All acts in the order of the files: an act is the lines after a comment that is the name of its rule. */
export function demoActions(): Action[] {
  return (['host', 'container'] as const).flatMap((place) =>
    text(`${place}.sh`)
      .split(/^# /m)
      .slice(1)
      .map((section) => {
        const end = section.indexOf('\n');
        return { rule: section.slice(0, end), place, body: section.slice(end + 1) };
      }),
  );
}

/**
 * The command that does the acts, one after the other, in namespaces of its own.
 * @param scratch an empty directory. @param port of a listener on loopback.
 * @param announce whether the name of each act is written to standard error before it.
 */
export function demoCommand(
  actions: readonly Action[],
  place: Action['place'],
  { scratch, port, announce }: { readonly scratch: string; readonly port: number; readonly announce: boolean },
): string[] {
  const acts = actions
    .filter((action) => action.place === place)
    .map(({ rule, body }) => {
      const say = announce ? `printf '\\n  %s\\n' '${rule.replaceAll("'", "'\\''")}' >&2\n` : '';
      return `${say}(\n${body}) >/dev/null 2>&1 </dev/null || true\n`;
    });
  const script = `scratch=$1 port=$2 acts=$3\n${text('prelude.sh')}${acts.join('')}`;
  const inside = ['unshare', '--mount', 'sh', '-c', script, 'sh', scratch, String(port), fileURLToPath(FOLDER)];
  return place === 'host' ? inside : [fileURLToPath(new URL('enter-container.sh', FOLDER)), ...inside];
}
