/** The suspicious, harmless acts of `demo/actions`: each raises the rule whose name stands before it. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** `container`: in what is least of one; `engine`: on a host with a Docker daemon of its own. */
export const PLACES = ['host', 'container', 'engine'] as const;
export type Place = (typeof PLACES)[number];

export interface Action {
  /** The rule that it raises. */
  readonly rule: string;
  readonly place: Place;
  /** Lines of sh. */
  readonly body: string;
}

const FOLDER = new URL('../../demo/actions/', import.meta.url);
const text = (name: string): string => readFileSync(new URL(name, FOLDER), 'utf8');

/** All acts in the order of the files: an act is the lines after a comment that is the name of its rule. */
export function demoActions(): Action[] {
  return PLACES.flatMap((place) =>
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
  place: Place,
  { scratch, port, announce }: { readonly scratch: string; readonly port: number; readonly announce: boolean },
): string[] {
  const acts = actions
    .filter((action) => action.place === place)
    .map(({ rule, body }) => {
      const say = announce ? `printf '\\n  %s\\n' '${rule.replaceAll("'", "'\\''")}' >&2\n` : '';
      return `${say}(\n${body}) >/dev/null 2>&1 </dev/null || true\n`;
    });
  const engine = place === 'engine' ? [text('enter-engine.sh'), 'kill $daemon; wait $daemon\n'] : ['', ''];
  const script = `scratch=$1 port=$2 acts=$3\n${text('layers.sh')}${text('prelude.sh')}${engine[0]}${acts.join('')}${engine[1]}`;
  const inside = ['unshare', '--mount', 'sh', '-c', script, 'sh', scratch, String(port), fileURLToPath(FOLDER)];
  return place === 'container' ? [fileURLToPath(new URL('enter-container.sh', FOLDER)), ...inside] : inside;
}

/** What the sensor has to know to watch acts: whom it asks about containers, and what is in lists that users fill. */
export function demoOptions(place: Place, scratch: string): string[] {
  return place === 'engine' ? [`windhover.containers.engines={"docker":{"sockets":["${scratch}.sock"]}}`] : [];
}

/** The rules that come with the program, with what the acts need in lists that are users' to fill. */
export const DEMO_RULES: readonly string[] = ['../../rules', 'lists.yaml'].map((path) =>
  fileURLToPath(new URL(path, FOLDER)),
);
