import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ROOT } from './sensor.ts';

const CAP_SYS_ADMIN = 1n << 21n;
const CAP_PERFMON = 1n << 38n;

/** Effective capabilities of every thread of a process, by the thread's name. */
function capabilities(pid: number): { name: string; effective: bigint }[] {
  return readdirSync(`/proc/${pid}/task`).map((tid) => {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
    return {
      name: /^Name:\s*(.*)$/m.exec(status)?.[1] ?? '',
      effective: BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(status)?.[1] ?? '0'}`),
    };
  });
}

test('the thread that judges has given up what loading took; the command has what the user has', async () => {
  const own = BigInt(`0x${/^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`);
  const child = spawn(
    `${ROOT}bin/windhover`,
    ['run', '-r', 'rules', '--', 'sh', '-c', 'grep CapEff /proc/self/status; echo ready; read line'],
    { cwd: ROOT, env: { ...process.env, WINDHOVER_REQUIRE_SCOPE: '1' }, stdio: ['pipe', 'pipe', 'ignore'] },
  );
  try {
    let text = '';
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`it ended early: ${text}`)));
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.includes('ready')) resolve();
      });
    });
    expect(BigInt(`0x${/CapEff:\s*(\w+)/.exec(text)?.[1]}`)).toBe(own);
    const judging = capabilities(child.pid as number).filter(({ effective }) => effective !== own);
    expect(judging.length).toBeGreaterThan(0);
    for (const { effective } of judging) expect(effective & (CAP_PERFMON | CAP_SYS_ADMIN)).toBe(0n);
  } finally {
    child.removeAllListeners('exit');
    child.stdin.end('\n');
    await new Promise((resolve) => child.once('exit', resolve));
  }
});
