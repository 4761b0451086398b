import { execFileSync } from 'node:child_process';
import { release } from 'node:os';
import { describe, expect, it } from 'vitest';
import { Capability, effectiveCapabilities, explain, missingCapabilities, raiseMemoryLimit } from './permission.ts';
import { Errno, NR, type Sys, systemCalls } from './sys.ts';
import { cannotLoad } from './testdata/live.ts';

const ALL = (1n << 41n) - 1n;
const bit = (name: keyof typeof Capability): bigint => 1n << BigInt(Capability[name]);

/** A kernel that refuses everything, to a thread with these capabilities. */
function refusing(effective: bigint, calls: number[] = []): Sys {
  return {
    pageSize: 4096,
    addr: () => 0n,
    map: () => new ArrayBuffer(0),
    sys(nr, ...args) {
      calls.push(nr);
      if (nr !== NR.capget) return -Errno.EPERM;
      const data = args[1] as Buffer;
      data.writeUInt32LE(Number(effective & 0xffffffffn), 0);
      data.writeUInt32LE(Number(effective >> 32n), 12);
      return 0;
    },
  };
}

describe('messages', () => {
  it('name the capability that is missing', () => {
    expect(missingCapabilities(ALL)).toEqual([]);
    expect(missingCapabilities(bit('SYS_ADMIN'))).toEqual([]);
    expect(missingCapabilities(bit('BPF'))).toEqual(['CAP_PERFMON']);
    expect(missingCapabilities(0n)).toEqual(['CAP_BPF', 'CAP_PERFMON']);
    const { kind, message } = explain(refusing(bit('BPF')), 'map', 'creating map ring', Errno.EPERM, '6.1.0');
    expect(kind).toBe('permission');
    expect(message).toBe(
      'creating map ring: EPERM. Missing CAP_PERFMON: run as root, or give this program both CAP_BPF and CAP_PERFMON.',
    );
  });

  it('tell apart what else forbids it', () => {
    expect(explain(refusing(ALL), 'map', 'creating map ring', Errno.EPERM, '5.10.0-46-amd64').message).toMatch(
      /locked memory.*CAP_SYS_RESOURCE/,
    );
    expect(explain(refusing(ALL), 'map', 'creating map ring', Errno.EPERM, '6.1.0').message).toMatch(/seccomp/);
    expect(explain(refusing(ALL), 'map', 'x', Errno.ENOSYS, '6.1.0')).toMatchObject({
      kind: 'kernel',
      message: expect.stringMatching('CONFIG_BPF_SYSCALL'),
    });
    expect(explain(refusing(ALL), 'map', 'x', Errno.EINVAL, '5.4.0')).toMatchObject({
      kind: 'kernel',
      message: expect.stringMatching('too old: 5.8'),
    });
    expect(explain(refusing(ALL), 'map', 'x', Errno.EINVAL, '6.1.0')).toMatchObject({
      kind: 'map',
      message: 'x: EINVAL',
    });
    expect(explain(refusing(ALL), 'map', 'x', 12, '6.1.0').message).toBe('x: ENOMEM');
    expect(explain(refusing(ALL), 'map', 'x', 999, '6.1.0').message).toBe('x: errno 999');
  });
});

describe('raiseMemoryLimit', () => {
  it('is for kernels that count maps as locked memory', () => {
    for (const [kernel, wanted] of [
      ['5.10.0-46-amd64', [NR.prlimit64]],
      ['5.11.0', []],
      ['6.1.0', []],
    ] as const) {
      const calls: number[] = [];
      raiseMemoryLimit(refusing(0n, calls), kernel);
      expect(calls).toEqual(wanted);
    }
  });
});

/** Runs a script in a process of user nobody that has `capabilities` and no others; what it prints. */
function asNobody(capabilities: readonly string[], script: string): string {
  const set = ['-all', ...capabilities.map((name) => `+${name}`)].join();
  const prelude = `const bpf = await import(${JSON.stringify(new URL('index.ts', import.meta.url).href)});
    const live = await import(${JSON.stringify(new URL('testdata/live.ts', import.meta.url).href)});`;
  return execFileSync(
    'setpriv',
    [
      '--reuid=65534',
      '--regid=65534',
      '--clear-groups',
      `--inh-caps=${set}`,
      `--ambient-caps=${set}`,
      `--bounding-set=${set}`,
    ].concat([process.execPath, '--input-type=module', '-e', prelude + script]),
    { encoding: 'utf8', env: { PATH: process.env.PATH } },
  );
}

const WATCH = `
  const sys = bpf.systemCalls();
  const report = {};
  const object = bpf.loadObject(live.testObject('loader'), { constants: { target: process.pid } });
  object.attach();
  report.loadedWith = bpf.effectiveCapabilities(sys).toString(16);
  bpf.dropCapabilities(sys);
  report.consumedWith = bpf.effectiveCapabilities(sys).toString(16);
  const ring = bpf.openRing(object.maps.get('ring').fd, 64 << 10);
  for (let i = 0; i < 500; i++) process.ppid;
  report.records = ring.drain(() => {});
  try { bpf.loadObject(live.testObject('loader')); } catch (error) { report.again = error.message; }
  console.log(JSON.stringify(report));
`;

describe('privileges', () => {
  it('loads with CAP_BPF and CAP_PERFMON only, and consumes with none', (ctx) => {
    const reason =
      cannotLoad() ?? (process.getuid?.() === 0 ? undefined : 'needs root, to become a user with two capabilities');
    if (reason !== undefined) ctx.skip(reason);
    const memory = /^5\.([0-9]|10)\./.test(release()) ? ['sys_resource'] : [];
    const report = JSON.parse(asNobody(['bpf', 'perfmon', ...memory], WATCH));
    expect(report).toEqual({
      loadedWith: (bit('BPF') | bit('PERFMON') | (memory.length > 0 ? bit('SYS_RESOURCE') : 0n)).toString(16),
      consumedWith: '0',
      records: 500,
      again: expect.stringMatching(/EPERM. Missing CAP_BPF and CAP_PERFMON: run as root/),
    });
  });

  it('keeps what is asked for, and cannot keep what is not there', (ctx) => {
    if (process.getuid?.() !== 0) ctx.skip('needs root, to have capabilities to give up');
    const script = `
      const sys = bpf.systemCalls();
      const report = {};
      try { bpf.dropCapabilities(sys, ['SYS_PTRACE', 'NET_ADMIN']); } catch (error) { report.refused = error.message; }
      bpf.dropCapabilities(sys, ['SYS_PTRACE']);
      report.kept = bpf.effectiveCapabilities(sys).toString(16);
      console.log(JSON.stringify(report));`;
    expect(JSON.parse(asNobody(['sys_ptrace', 'kill'], script))).toEqual({
      refused: 'cannot keep CAP_NET_ADMIN: not there',
      kept: bit('SYS_PTRACE').toString(16),
    });
  });

  it('leaves nothing to get back by starting a program', (ctx) => {
    if (process.getuid?.() !== 0) ctx.skip('needs root, to have capabilities to give up');
    // In a process of its own: it is for good.
    const script = `
      const { dropCapabilities, systemCalls } = await import(${JSON.stringify(new URL('index.ts', import.meta.url).href)});
      const { execFileSync } = await import('node:child_process');
      dropCapabilities(systemCalls(), ['KILL']);
      process.stdout.write(execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' }));`;
    const status = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    const caps = Object.fromEntries(
      [...status.matchAll(/^Cap(\w+):\s*(\w+)/gm)].map(([, name, value]) => [name, BigInt(`0x${value}`)]),
    );
    expect(caps).toEqual({ Inh: 0n, Prm: bit('KILL'), Eff: bit('KILL'), Bnd: bit('KILL'), Amb: 0n });
  });
});

describe('effectiveCapabilities', () => {
  it('is what the kernel says', () => {
    const status = execFileSync('cat', ['/proc/self/status'], { encoding: 'utf8' });
    expect(effectiveCapabilities(systemCalls()).toString(16)).toBe(
      BigInt(`0x${/CapEff:\s*(\w+)/.exec(status)![1]}`).toString(16),
    );
  });
});
