import type { Event } from '../../event/index.ts';
import type {
  FdEntry,
  InitialStateSink,
  InterfaceEntry,
  MachineInfo,
  ProcessEntry,
  UserOrGroupEntry,
} from '../entries.ts';
import { ScapReader } from '../reader.ts';
import { ScapWriter } from '../writer.ts';

/** An event as a test can compare it. */
export interface SeenEvent {
  num: number;
  cpu: number;
  flags: number;
  type: number;
  bytes: Uint8Array;
}

/** An initial state that keeps everything. */
export class Collected implements InitialStateSink {
  machines: MachineInfo[] = [];
  processes: ProcessEntry[] = [];
  fds: FdEntry[] = [];
  usersAndGroups: UserOrGroupEntry[] = [];
  interfaces: InterfaceEntry[] = [];
  sections = 0;

  machine(info: MachineInfo): void {
    this.machines.push(info);
  }
  process(entry: ProcessEntry): void {
    this.processes.push(entry);
  }
  fd(entry: FdEntry): void {
    this.fds.push(entry);
  }
  userOrGroup(entry: UserOrGroupEntry): void {
    this.usersAndGroups.push(entry);
  }
  interface(entry: InterfaceEntry): void {
    this.interfaces.push(entry);
  }
  section(): void {
    this.sections++;
  }
}

export interface Read {
  state: Collected;
  events: SeenEvent[];
  reader: ScapReader;
  /** What `end()` says. */
  left: number;
}

function seen(event: Event, flags: number): SeenEvent {
  const { num, cpu, type } = event;
  return { num, cpu, flags, type, bytes: event.buffer.slice(event.at, event.at + event.length) };
}

/** Reads a capture whole; `chunk` says how many bytes the next piece has. */
export function readAll(bytes: Uint8Array, chunk: () => number = () => bytes.length): Read {
  const state = new Collected();
  const reader = new ScapReader(state);
  const events: SeenEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, chunk());
    reader.push(bytes.slice(at, at + size), (event) => events.push(seen(event, event.flags)));
    at += size;
  }
  return { state, events, reader, left: reader.end() };
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The bytes of a capture that `write` fills. */
export function written(write: (writer: ScapWriter) => void, pieceSize?: number): Uint8Array {
  const pieces: Uint8Array[] = [];
  const writer = new ScapWriter((piece) => pieces.push(piece), pieceSize);
  write(writer);
  writer.flush();
  return concat(pieces);
}

/** A block of the given type around a body. */
export function block(type: number, body: Uint8Array | readonly number[]): Uint8Array {
  const size = 12 + ((body.length + 3) & ~3);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, size, true);
  bytes.set(body, 8);
  view.setUint32(size - 4, size, true);
  return bytes;
}

/** A section header block. */
export const SECTION: Uint8Array = block(
  0x0a0d0d0a,
  [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 2, 0, 255, 255, 255, 255, 255, 255, 255, 255],
);

/** The body of an event block: cpu 0, then the event. */
export const eventBody = (event: Uint8Array): Uint8Array => concat([new Uint8Array(2), event]);

/** An event of today's header in the form of the first version, which had no number of parameters. */
export function withoutCount(event: Uint8Array): Uint8Array {
  const old = concat([event.subarray(0, 22), event.subarray(26)]);
  new DataView(old.buffer).setUint32(16, old.length, true);
  return old;
}

export const emptyProcess = (tid: number): ProcessEntry => ({
  tid,
  pid: tid,
  ptid: 1,
  sid: tid,
  vpgid: tid,
  pgid: tid,
  comm: 'cat',
  exe: 'cat',
  exepath: '/usr/bin/cat',
  args: '/etc/passwd\0',
  cwd: '/',
  fdlimit: 1024n,
  flags: 0,
  uid: 0,
  gid: 0,
  vmsizeKb: 0,
  vmrssKb: 0,
  vmswapKb: 0,
  pfmajor: 0n,
  pfminor: 0n,
  env: 'A=b\0',
  vtid: tid,
  vpid: tid,
  cgroups: 'cpu=/\0',
  root: '/',
  pidnsInitStartTs: 0n,
  tty: 0,
  loginuid: 0xffffffff,
  exeWritable: false,
  exeUpperLayer: false,
  exeLowerLayer: false,
  exeFromMemfd: false,
  capInheritable: 0n,
  capPermitted: 0n,
  capEffective: 0n,
  exeIno: 0n,
  exeInoCtime: 0n,
  exeInoMtime: 0n,
  startTs: 0n,
});
