/** Behaviour lock files: what a command does, written for people to review and for `windhover run --locked`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import type { Behaviour } from '../sensor/behaviour.ts';
import { CommandError } from './command.ts';

const VERSION = 1;

const items = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
const schema = z.strictObject({
  version: z.literal(VERSION),
  programs: items,
  writes: items,
  reads: items,
  network: items,
});

const HEAD = `# What a command does. Made by: windhover run --profile FILE -- COMMAND
# Held against:                 windhover run --locked FILE -- COMMAND
# '.' is the directory where the command starts, '~' the home directory; an entry may end in '*'.
`;

export function lockFileText(behaviour: Behaviour): string {
  const { programs, writes, reads, network } = behaviour;
  return `${HEAD}${stringify({ version: VERSION, programs, writes, reads, network }, { lineWidth: 0 })}`;
}

/** Throws a {@link CommandError} when it cannot be written. */
export function writeLockFile(path: string, behaviour: Behaviour): void {
  try {
    writeFileSync(path, lockFileText(behaviour));
  } catch (error) {
    throw new CommandError(`Error: Cannot write the lock file ${path}: ${(error as Error).message}`);
  }
}

/** Throws a {@link CommandError} on what is no lock file. */
export function readLockFile(path: string): Behaviour {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new CommandError(`Error: Cannot read the lock file ${path}: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) {
    const { programs, writes, reads, network } = parsed.data;
    return { programs, writes, reads, network };
  }
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? '' : `${issue.path.join('.')}: `;
  throw new CommandError(`Error: ${path} is no lock file: ${where}${issue?.message}`);
}
