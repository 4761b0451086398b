import { EVENTS } from '../event/index.ts';

/** Low byte of an event's category: reading from and writing to a descriptor (enum ppm_event_category). */
const CATEGORY_MASK = 0xff;
const IO_READ = 32;
const IO_WRITE = 33;

/** System calls that are not read, because of their rate, unless a rule names them or `base_syscalls.all` is on. */
export function ignoredEvents(): string[] {
  const names = EVENTS.filter(({ category }) => [IO_READ, IO_WRITE].includes(category & CATEGORY_MASK)).map(
    (e) => e.name,
  );
  return [...new Set(names)].sort();
}

/** `-i` */
export function ignoredEventsText(): string {
  return `Ignored syscall(s):\n${ignoredEvents()
    .map((name) => `- ${name}\n`)
    .join('')}`;
}
