/**
 * Writes a large realistic capture:
 * `node bench/generate.ts [--events N] [--seed N] [--mix all|ruled] [--containers N] [--suspicious SHARE] FILE.scap[.gz]`
 * The same arguments give the same bytes. See machine.ts for what is in it.
 */
import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ScapWriter } from '../src/scap/index.ts';
import { createCapture } from '../src/source/index.ts';
import { DEFAULTS, generate } from './machine.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    events: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(DEFAULTS.seed) },
    mix: { type: 'string', default: DEFAULTS.mix },
    containers: { type: 'string', default: String(DEFAULTS.containers) },
    suspicious: { type: 'string', default: String(DEFAULTS.suspicious) },
  },
});
const [path] = positionals;
if (path === undefined || (values.mix !== 'all' && values.mix !== 'ruled')) {
  console.error('usage: generate.ts [--events N] [--seed N] [--mix all|ruled] FILE.scap[.gz]');
  process.exit(2);
}

const output = createCapture(path, { compress: path.endsWith('.gz') });
const writer = new ScapWriter((piece) => output.write(piece));
const machine = generate(writer, {
  events: Number(values.events),
  seed: Number(values.seed),
  mix: values.mix,
  containers: Number(values.containers),
  suspicious: Number(values.suspicious),
});
for (const _ of machine) if (output.waiting > 4 << 20) await output.drained();
writer.flush();
await output.close();
const { size } = await stat(path);
console.error(`${path}: ${writer.events} events, ${size} bytes (${writer.bytes} before compression)`);
