import { describe, expect, it } from 'vitest';
import { errnoName, kernelVersion, NR, SysError, systemCalls } from './sys.ts';

describe('systemCalls', () => {
  const sys = systemCalls();

  it('makes system calls, and gives minus the errno of those that fail', () => {
    expect(sys.sys(NR.getppid)).toBe(process.ppid);
    expect(sys.sys(NR.close, 1_000_000)).toBe(-9);
    expect(sys.sys(NR.ppoll, Buffer.alloc(0), 0, Buffer.alloc(16), 0, 0)).toBe(0);
  });

  it('knows where buffers are', () => {
    const bytes = new Uint8Array(100);
    expect(sys.addr(bytes.subarray(10)) - sys.addr(bytes)).toBe(10n);
  });

  it('says why a mapping fails', () => {
    expect(() => sys.map(1_000_000, sys.pageSize, 0, false)).toThrow(new SysError('mmap', 9));
  });
});

describe('names', () => {
  it('of errno and kernels', () => {
    expect(errnoName(1)).toBe('EPERM');
    expect(errnoName(9)).toBe('EBADF');
    expect(errnoName(1234)).toBe('errno 1234');
    expect(kernelVersion('5.10.0-46-cloud-amd64')).toBe(5010);
    expect(kernelVersion('7.2.13')).toBe(7002);
    expect(kernelVersion('odd')).toBe(0);
  });
});
