/** Watches one command from wherever it runs itself, and says what it saw; for a test in another namespace. */
import { openWatch, watch } from './watch.ts';

const source = openWatch();
const { events, status } = await watch(source, ['/bin/sh', '-c', 'exit 7']);
console.log(JSON.stringify({ pid: process.pid, status, first: events[0]?.code, last: events.at(-1)?.code }));
source.close();
