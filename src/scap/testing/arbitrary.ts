import fc from 'fast-check';
import { buildEvent, EVENTS, EventFlag, PARAM_WIDTH, type ParamValue } from '../../event/index.ts';
import {
  type FdEntry,
  FdType,
  type InterfaceEntry,
  type MachineInfo,
  type ProcessEntry,
  type UserOrGroupEntry,
} from '../entries.ts';

/** A byte string of any bytes. */
const bytes = (maxLength: number): fc.Arbitrary<string> =>
  fc.uint8Array({ maxLength }).map((array) => String.fromCharCode(...array));
/** A byte string without NUL. */
const name = (maxLength: number): fc.Arbitrary<string> => bytes(maxLength).map((text) => text.replaceAll('\0', 'x'));
const list = (max: number) =>
  fc.array(name(20), { maxLength: max }).map((items) => items.map((i) => `${i}\0`).join(''));
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const u64 = fc.bigInt(0n, 0xffffffffffffffffn);
const id = fc.integer({ min: -1, max: 0x7fffffff });

export const machine: fc.Arbitrary<MachineInfo> = fc.record({
  cpus: u32,
  memoryBytes: u64,
  maxPid: u64,
  hostname: name(127),
  bootTs: u64,
  flags: u64,
});

export const processEntry: fc.Arbitrary<ProcessEntry> = fc.record({
  tid: id,
  pid: id,
  ptid: id,
  sid: id,
  vpgid: id,
  pgid: id,
  comm: name(16),
  exe: name(100),
  exepath: name(100),
  args: list(6),
  cwd: name(60),
  fdlimit: u64,
  flags: u32,
  uid: u32,
  gid: u32,
  vmsizeKb: u32,
  vmrssKb: u32,
  vmswapKb: u32,
  pfmajor: u64,
  pfminor: u64,
  env: list(6),
  vtid: id,
  vpid: id,
  cgroups: list(4),
  root: name(30),
  pidnsInitStartTs: u64,
  tty: u32,
  loginuid: u32,
  exeWritable: fc.boolean(),
  exeUpperLayer: fc.boolean(),
  exeLowerLayer: fc.boolean(),
  exeFromMemfd: fc.boolean(),
  capInheritable: u64,
  capPermitted: u64,
  capEffective: u64,
  exeIno: u64,
  exeInoCtime: u64,
  exeInoMtime: u64,
  startTs: fc.constant(0n),
});

const address = (size: number) =>
  fc.uint8Array({ minLength: size, maxLength: size }).map((array) => String.fromCharCode(...array));

export const fdEntry: fc.Arbitrary<FdEntry> = fc.nat(FdType.PIDFD).chain((type) => {
  const none = fc.constant('');
  const zero = fc.constant(0);
  const size = type === FdType.IPV4_SOCK || type === FdType.IPV4_SERVSOCK ? 4 : 16;
  const server = type === FdType.IPV4_SERVSOCK || type === FdType.IPV6_SERVSOCK;
  const peer = type === FdType.IPV4_SOCK || type === FdType.IPV6_SOCK;
  const unix = type === FdType.UNIX_SOCK;
  const file = type === FdType.FILE_V2;
  return fc.record({
    tid: id,
    fd: fc.nat(0x7fffffff),
    ino: u64,
    type: fc.constant(type),
    name: server || peer ? none : name(80),
    openFlags: file ? u32 : zero,
    dev: file ? u32 : zero,
    localAddress: server || peer ? address(size) : none,
    remoteAddress: peer ? address(size) : none,
    localPort: server || peer ? u16 : zero,
    remotePort: peer ? u16 : zero,
    l4proto: server || peer ? fc.nat(5) : zero,
    unixSource: unix ? u64 : fc.constant(0n),
    unixDestination: unix ? u64 : fc.constant(0n),
  });
});

export const userOrGroup: fc.Arbitrary<UserOrGroupEntry> = fc.oneof(
  fc.record({
    kind: fc.constant('user' as const),
    uid: u32,
    gid: u32,
    name: name(40),
    home: name(80),
    shell: name(80),
  }),
  fc.record({ kind: fc.constant('group' as const), gid: u32, name: name(40) }),
);

export const interfaceEntry: fc.Arbitrary<InterfaceEntry> = fc.constantFrom(4, 16).chain((size) =>
  fc.record({
    address: address(size),
    netmask: address(size),
    broadcast: size === 4 ? address(4) : fc.constant(''),
    linkSpeed: u64,
    name: name(16),
  }),
);

/** Event types in today's form, of which any number of parameters from the full one on is left alone. */
const CURRENT = EVENTS.filter(({ flags }) => (flags & (EventFlag.OLD_VERSION | EventFlag.UNUSED)) === 0);

/** The bytes of an event of today's form with any values, and sometimes with trailing parameters of ours. */
export const eventBytes: fc.Arbitrary<Uint8Array> = fc.constantFrom(...CURRENT).chain((info) =>
  fc
    .record({
      ts: u64,
      tid: fc.integer({ min: -1, max: 0x7fffffff }),
      params: fc.tuple(
        ...info.params.map((param): fc.Arbitrary<ParamValue> => {
          const width = PARAM_WIDTH[param.type];
          const value =
            width === undefined
              ? fc.uint8Array({ maxLength: 60 })
              : fc.uint8Array({ minLength: width, maxLength: width });
          return fc.oneof({ weight: 9, arbitrary: value }, { weight: 1, arbitrary: fc.constant(null) });
        }),
      ),
      extra: fc.oneof(
        fc.constant([]),
        fc.tuple(u32, name(40), u32, u64).map((values): ParamValue[] => values),
      ),
    })
    .map((spec) => buildEvent(info.type, spec)),
);
