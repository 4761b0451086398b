import { Command, CommanderError } from 'commander';

/** Wrong usage, in our own commands. */
export const EXIT_USAGE = 2;

/** A problem that ends a command; its message is for the user, its code is the exit status. */
export class CommandError extends Error {
  override name = 'CommandError';
  readonly exitCode: number;
  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** A command that throws instead of exiting. */
export function newCommand(name: string, description: string, examples: readonly [string, string][]): Command {
  const width = Math.max(...examples.map(([call]) => call.length));
  const lines = examples.map(([call, what]) => `  ${call.padEnd(width)}  ${what}`);
  return new Command(name)
    .description(description)
    .exitOverride()
    .showHelpAfterError(false)
    .addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/**
 * Parses `args` and runs the command's action; turns what was thrown into an exit status, with its message on
 * stderr. `usage` is the status for wrong usage.
 */
export async function runCommand(
  command: Command,
  args: readonly string[],
  action: () => Promise<number>,
  usage: number = EXIT_USAGE,
): Promise<number> {
  let status = 0;
  command.action(async () => {
    status = await action();
  });
  try {
    await command.parseAsync([...args], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : usage;
    if (error instanceof CommandError) {
      process.stderr.write(`${error.message}\n`);
      return error.exitCode;
    }
    // Rules, sources and configuration that cannot be used: their messages are for the user as they are.
    if (['RulesError', 'SourceError', 'ConfigError', 'ScapError'].includes((error as Error).name)) {
      process.stderr.write(`Error: ${(error as Error).message}\n`);
      return 1;
    }
    throw error;
  }
}
