import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BpfError } from './error.ts';
import { type BpfObject, kernelTypes, type LoadOptions, loadObject } from './object.ts';
import { openRing } from './ring.ts';
import { NR, systemCalls } from './sys.ts';
import { cannotLoad, FAILING, request, testObject } from './testdata/live.ts';

const open: BpfObject[] = [];

beforeEach((ctx) => {
  const reason = cannotLoad();
  if (reason !== undefined) ctx.skip(reason);
});

afterEach(() => {
  for (const object of open.splice(0)) object.close();
});

function load(options: LoadOptions = {}): BpfObject {
  const object = loadObject(testObject('loader'), { constants: { target: process.pid }, ...options });
  open.push(object);
  return object;
}

/** The failing object with one of its programs. */
function loadFailing(only: (typeof FAILING)[number], options: LoadOptions = {}): BpfObject {
  const object = loadObject(testObject('failing'), { disabled: FAILING.filter((name) => name !== only), ...options });
  open.push(object);
  return object;
}

describe('loadObject', () => {
  it('fits programs to the running kernel', () => {
    const object = load();
    const ring = openRing(object.maps.get('ring')!.fd, 64 << 10);
    object.attach();
    for (let i = 0; i < 3; i++) systemCalls().sys(NR.getppid);
    const answers: number[][] = [];
    const comms: string[] = [];
    ring.drain((at, length) => {
      answers.push(Array.from({ length: (length - 16) / 4 }, (_, i) => ring.view.getUint32(at + 4 * i, true)));
      comms.push(Buffer.from(ring.bytes.subarray(at + length - 16, at + length)).toString());
    });
    ring.close();
    expect(answers).toHaveLength(3);
    const [tgid, bitfields, nameLength, commSize, pidType, ...rest] = answers[2];
    expect(tgid).toBe(process.pid);
    expect(bitfields & ~3).toBe(0);
    // The root directory's name is "/".
    expect(nameLength).toBe(1);
    expect(commSize).toBe(16);
    expect(pidType).toBe(1);
    // Type and enumerator there; type, enumerator and field not there; a larger struct; a signed field of 4 bytes.
    expect(rest).toEqual([1, 1, 0, 0, 0, 1, 4, 1]);
    expect(comms[0].split('\0')[0]).toBe(readFileSync(`/proc/self/task/${process.pid}/comm`, 'latin1').trimEnd());
  });

  it('calls functions, sets constants, and reads and writes every kind of map', () => {
    const object = load({
      constants: { small: 250, large: 1000n, text: Buffer.from('Z\0\0\0\0\0\0\0') },
      maps: { numbers: { maxEntries: 2 } },
    });
    const numbers = object.maps.get('numbers')!;
    const compute = object.programs.get('compute')!;
    expect(compute.run(Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]))).toBe(-1);
    numbers.update(5, 10n);
    const four = 2 * 10 + 1000 + 2 * 11 + 1000;
    expect(compute.run(Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]))).toBe(four + 250 + 90);

    const counts = object.maps.get('counts')!;
    expect(counts.lookupPerCpu(1).reduce((sum, value) => sum + value.readBigUInt64LE(), 0n)).toBe(1n);
    counts.update(1, 7);
    expect(counts.lookupPerCpu(1).every((value) => value.readBigUInt64LE() === 7n)).toBe(true);
    expect(() => counts.lookup(1)).toThrow('map counts has a value per CPU');

    numbers.update(6, 0xffff_ffff_ffff_ffffn);
    expect([...numbers.keys()].map((key) => key.readUInt32LE()).sort()).toEqual([5, 6]);
    // Its size was set to 2.
    expect(() => numbers.update(7, 1)).toThrow('writing in map numbers: E2BIG');
    expect(numbers.lookup(6)?.readBigUInt64LE()).toBe(0xffff_ffff_ffff_ffffn);
    expect(numbers.delete(6)).toBe(true);
    expect(numbers.delete(6)).toBe(false);
    expect(numbers.lookup(6)).toBeUndefined();
    expect(() => numbers.update(Buffer.alloc(3), 1)).toThrow('a key or value of 3 bytes instead of 4');
  });

  it('makes maps of maps', () => {
    const object = load();
    const nested = object.maps.get('nested')!;
    const inner = load().maps.get('nested')!.inner!;
    expect(inner).toMatchObject({ keySize: 4, valueSize: 8, maxEntries: 1 });
    const cell = object.createMap({ ...inner, name: 'cell' });
    nested.update(1, cell.fd);
    object.maps.get('numbers')!.update(5, 10n);
    object.programs.get('compute')!.run(Buffer.from([5, 0, 0, 0, 0, 0, 0, 0]));
    expect(cell.lookup(0)?.readBigUInt64LE()).toBe(44n);
    cell.close();
  });

  it('lets programs call others through a map of programs', () => {
    const object = load();
    const called = object.programs.get('called')!;
    expect(() => called.attach()).toThrow('program called is not for a tracepoint');
    object.attach();
    expect(called.attached).toBe(false);
    systemCalls().sys(NR.getppid);
    object.maps.get('table')!.update(0, called.fd);
    for (let i = 0; i < 5; i++) systemCalls().sys(NR.getppid);
    // The third variable of .bss.
    expect(object.maps.get('.bss')!.lookup(0)!.readBigUInt64LE(16)).toBe(5n);
  });

  it('reads variables through their section', () => {
    const object = load();
    object.programs.get('produce')!.run(request(9, 96, 3));
    // .bss holds produced and dropped, .data the next sequence number.
    expect(object.maps.get('.bss')!.lookup(0)!.readBigUInt64LE()).toBe(6n);
    expect(object.maps.get('.data')!.lookup(0)!.readBigUInt64LE()).toBe(10n);
  });

  it('freezes constants', () => {
    expect(() => load().maps.get('.rodata')!.update(0, Buffer.alloc(24))).toThrow('writing in map .rodata: EPERM');
  });

  it('leaves the bytes that it is given as they are', () => {
    const bytes = testObject('loader');
    for (let i = 0; i < 2; i++) loadObject(bytes).close();
    expect(bytes.equals(testObject('loader'))).toBe(true);
  });

  it('names what the caller got wrong', () => {
    expect(() => load({ constants: { nonsense: 1 } })).toThrow('the object has no constant nonsense');
    expect(() => load({ constants: { small: 256 } })).toThrow('constant small has 1 bytes: 256 is too large');
    expect(() => load({ constants: { text: Buffer.alloc(7) } })).toThrow('constant text has 8 bytes, not 7');
    expect(() => load({ maps: { nonsense: { maxEntries: 1 } } })).toThrow('the object has no map nonsense');
  });

  it('leaves out optional programs whose tracepoint is absent', () => {
    for (const name of ['absent', 'absent_typed'] as const) {
      const object = loadFailing(name, { optional: [name] });
      expect(object.programs.size).toBe(0);
      expect(object.skipped.get(name)).toMatch(`program ${name}: this kernel`);
      object.attach();
    }
    expect(() => loadFailing('absent_typed')).toThrow('has no tracepoint windhover_has_no_such_tracepoint');
    const required = loadFailing('absent');
    expect(() => required.attach()).toThrow('has no tracepoint windhover_has_no_such_tracepoint');
  });

  it('names program, struct and field that the kernel lacks, if the program can get there', () => {
    loadFailing('impossible', { constants: { insist: 0 } });
    expect(kindAndText(() => loadFailing('impossible', { constants: { insist: 1 } }))).toEqual([
      'relocation',
      expect.stringMatching(
        /^program impossible needs struct task_struct___nowhere\.windhover_has_no_such_field, which this kernel/,
      ),
    ]);
    loadFailing('uncallable', { constants: { insist: 0 } });
    expect(kindAndText(() => loadFailing('uncallable', { constants: { insist: 1 } }))).toEqual([
      'relocation',
      expect.stringMatching(/^program uncallable needs the function windhover_has_no_such_function, which this kernel/),
    ]);
    expect(kindAndText(() => loadFailing('wrong_size'))).toEqual([
      'relocation',
      expect.stringMatching(
        /^program wrong_size needs struct task_struct___wide\.tgid, which this kernel .* does not have in that form/,
      ),
    ]);
  });

  it('shows the end of the verifier log', () => {
    expect(kindAndText(() => loadFailing('rejected'))).toEqual([
      'verifier',
      expect.stringMatching(
        /^program rejected was rejected by this kernel [\s\S]*EACCES[\s\S]*\ninvalid bpf_context access off=16384 size=4/,
      ),
    ]);
  });

  it('leaves nothing behind when it fails, and after close', () => {
    const before = descriptors();
    expect(() => loadObject(testObject('failing'), { disabled: ['absent', 'absent_typed'] })).toThrow(BpfError);
    expect(descriptors()).toEqual(before);
    const object = load();
    object.attach();
    expect(descriptors().length).toBeGreaterThan(before.length);
    object.close();
    object.close();
    expect(descriptors()).toEqual(before);
  });

  it('dies with its process: kill -9 leaves no program', async () => {
    const script = `
      const { loadObject } = await import(${JSON.stringify(new URL('index.ts', import.meta.url).href)});
      const { readFileSync } = await import('node:fs');
      const object = loadObject(readFileSync(${JSON.stringify(new URL('testdata/loader.bpf.o', import.meta.url).pathname)}), { constants: { target: process.pid } });
      object.attach();
      console.log(JSON.stringify([...object.programs.values()].map((program) => program.id)));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ids = JSON.parse(
      await new Promise<string>((resolve) => child.stdout.once('data', (data) => resolve(String(data)))),
    ) as number[];
    expect(ids).toHaveLength(5);
    expect(ids.map(isLoaded)).toEqual(ids.map(() => true));
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
    // The kernel frees programs after a grace period.
    for (let i = 0; i < 100 && ids.some(isLoaded); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(ids.map(isLoaded)).toEqual(ids.map(() => false));
  });
});

describe('kernelTypes', () => {
  it('says what a kernel without type information needs', () => {
    expect(kindAndText(() => kernelTypes('/nonexistent/vmlinux'))).toEqual([
      'btf',
      expect.stringMatching(/^cannot read \/nonexistent\/vmlinux \(ENOENT\): .* CONFIG_DEBUG_INFO_BTF=y/),
    ]);
  });
});

describe('the test programs', () => {
  it('are what their source compiles to', (ctx) => {
    const directory = mkdtempSync(join(tmpdir(), 'windhover-bpf-'));
    try {
      try {
        execFileSync(new URL('testdata/build.sh', import.meta.url).pathname, [directory], { stdio: 'pipe' });
      } catch (error) {
        if (process.env.CI !== undefined) throw error;
        ctx.skip('needs clang-14, llvm-14 and libbpf-dev');
      }
      for (const name of ['loader', 'failing'] as const) {
        expect(readFileSync(join(directory, `${name}.bpf.o`)).equals(testObject(name)), name).toBe(true);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

function kindAndText(run: () => unknown): [string, string] {
  try {
    run();
  } catch (error) {
    if (error instanceof BpfError) return [error.kind, error.message];
    throw error;
  }
  throw new Error('no error');
}

/** Open descriptors of BPF objects. */
function descriptors(): string[] {
  return execFileSync('ls', ['-l', `/proc/${process.pid}/fd`], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('anon_inode:bpf'))
    .map((line) => line.replace(/^.*(\d+ -> )/, '$1'));
}

/** Whether the kernel holds a program of this id (BPF_PROG_GET_FD_BY_ID). */
function isLoaded(id: number): boolean {
  const sys = systemCalls();
  const attr = Buffer.alloc(16);
  attr.writeUInt32LE(id, 0);
  const fd = sys.sys(NR.bpf, 13, attr, attr.length);
  if (fd >= 0) sys.sys(NR.close, fd);
  return fd >= 0;
}
