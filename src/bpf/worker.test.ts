import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { loadObject } from './object.ts';
import { cannotLoad, request, testObject } from './testdata/live.ts';

const WORKER = `
  const { parentPort, workerData } = await import('node:worker_threads');
  const { openRing } = await import(workerData.module);
  const ring = openRing(workerData.fd, workerData.size);
  const lengths = [];
  while (lengths.length < workerData.count) {
    ring.wait(100);
    ring.drain((at, length) => lengths.push(length));
  }
  ring.close();
  parentPort.postMessage(lengths);
`;

it('another thread maps and drains the ring, by the number of its fd', async (ctx) => {
  const reason = cannotLoad();
  if (reason !== undefined) ctx.skip(reason);
  const object = loadObject(testObject('loader'));
  try {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(WORKER)}`), {
      workerData: {
        module: new URL('index.ts', import.meta.url).href,
        fd: object.maps.get('ring')!.fd,
        size: 64 << 10,
        count: 30,
      },
    });
    const lengths = new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    for (let i = 0; i < 10; i++) object.programs.get('produce')!.run(request(3, i % 2 === 0 ? 96 : 256));
    expect(await lengths).toEqual(Array.from({ length: 30 }, (_, i) => (Math.floor(i / 3) % 2 === 0 ? 96 : 256)));
    await worker.terminate();
  } finally {
    object.close();
  }
});
