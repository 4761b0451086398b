import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { forwardChannel } from './channel.ts';

it('forwards what the sensor has written, also after a stop', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'windhover-channel-'));
  const got: string[] = [];
  let status = 503;
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => (text += chunk));
    request.on('end', () => {
      if (status < 300) got.push((JSON.parse(text) as { output: string }).output);
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const settings = {
    webhook: { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    shutdown_timeout: '100ms',
  };
  const lines = Array.from({ length: 20 }, (_, i) => ({
    severity: 4,
    line: JSON.stringify({ rule: 'r', priority: 'Warning', time: '2026-01-02T15:04:05Z', output: `${i}` }),
  }));
  const first = await forwardChannel(settings, { path: folder }, true);
  await first.write(lines);
  await first.close();
  status = 200;
  const second = await forwardChannel({ ...settings, shutdown_timeout: '10s' }, { path: folder }, true);
  // A reload: the third one is there before the second one goes.
  const third = await forwardChannel({ ...settings, shutdown_timeout: '10s' }, { path: folder }, true);
  await second.close();
  await third.write([{ severity: 4, line: lines[0].line.replace('"0"', '"20"') }]);
  await third.close();
  expect(got).toEqual([...lines, 0].map((_, i) => `${i}`));
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});

it('says what is wrong', async () => {
  await expect(
    forwardChannel({ slack: { webhookurl: 'x', minimumpriority: 'no' } }, { durability: 'memory' }, false),
  ).rejects.toThrow(/slack\.minimumpriority: expected one of .*\nwindhover\.forward: alerts are forwarded as JSON/s);
});
