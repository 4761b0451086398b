import { log } from '../log.ts';
import type { ReaderStats } from '../scap/index.ts';

/** Says, once a capture has been read, what was not judged of it. Old enter events are none of that: today's rules do not know them. */
export function reportReading(path: string, read: Readonly<ReaderStats>, truncated: boolean): void {
  const { malformed, firstMalformed, unknown } = read;
  if (malformed > 0)
    log.warning(`${path}: ${malformed} events were skipped because they contradict themselves: ${firstMalformed}`);
  if (unknown > 0) log.warning(`${path}: ${unknown} events were skipped because their types are not known`);
  if (truncated)
    log.warning(`${path}: the capture stops in the middle of a block, as it does when its writer was killed`);
}
