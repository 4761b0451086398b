/** The program: argv → command. Each command is loaded only when it is called. */
import { endWithParent } from './cli/parent.ts';

/** What comes first on the command line; anything else is the sensor with Falco's flags. */
const COMMANDS: Readonly<Record<string, () => Promise<{ main(args: string[]): Promise<number> }>>> = {
  demo: () => import('./cli/demo.ts'),
  run: () => import('./cli/run.ts'),
  replay: () => import('./cli/replay.ts'),
  record: () => import('./cli/record.ts'),
  rules: () => import('./cli/rules.ts'),
  backtest: () => import('./cli/backtest.ts'),
  explain: () => import('./cli/explain.ts'),
  forward: () => import('./cli/forward.ts'),
  respond: () => import('./cli/respond.ts'),
  hub: () => import('./cli/hub.ts'),
  up: () => import('./cli/up.ts'),
};

endWithParent();
const [first = '', ...rest] = process.argv.slice(2);
const load = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
const command = load === undefined ? await import('./cli/falco.ts') : await load();
process.exit(await command.main(load === undefined ? process.argv.slice(2) : rest));
