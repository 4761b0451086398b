/** Stores alerts without end in the database of argv[2] and prints each number that is stored, until it is killed. */

import { writeSync } from 'node:fs';
import { openSqlite, openStore, readAlert } from '../../src/store/index.ts';

const store = await openStore(openSqlite(process.argv[2] as string));
for (let n = Number(process.argv[3]); ; n += 20) {
  const batch = Array.from({ length: 20 }, (_, i) =>
    readAlert(
      JSON.stringify({
        rule: `rule ${n % 7}`,
        priority: 'Notice',
        output: `alert ${n + i}`,
        time: new Date(1_790_000_000_000 + n).toISOString(),
        output_fields: { 'proc.name': `p${n % 3}`, 'kill.n': n + i },
      }),
    ),
  );
  await store.ingest(batch);
  writeSync(1, `${n + 19}\n`);
}
