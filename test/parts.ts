/** The parts that set-up scripts install or build (scripts/test-parts.sh). */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

/** Where everything is that is no Debian package. */
export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'windhover-test');

/** What test/kubernetes/build.sh makes. */
export const BUILT = join(CACHE, 'bin');
export const KUBELITE = join(BUILT, 'kubelite');

/** A reason to skip tests; where all that they need must be there (CI), it is an error. */
export function orFail(reason: string): string {
  if (process.env.CI) throw new Error(reason);
  return reason;
}

/** Why a program of {@link BUILT} cannot be used; null when it can. */
export function notBuilt(program: string): string | null {
  return existsSync(program) ? null : orFail(`${basename(program)} is not built (test/kubernetes/setup.sh)`);
}
