import type { Event } from '../event/index.ts';
import { type Check, constantsOf, fieldsIn, literalsOf, matcherOf } from '../rules/index.ts';
import type { Fd, Socket, State } from '../state/index.ts';
import type { Scope } from './scope.ts';

/** Sockets whose signature is remembered by their ends; a power of two. */
const SLOTS = 1024;

/** Addresses whose class is remembered. */
const ADDRESSES = 4096;

/** Fields whose values are the addresses of the ends. */
const ADDRESS = /^fd\.([cslr]?)(ip|net)$/;
const PORTS = new Set(['fd.port', 'fd.cport', 'fd.sport', 'fd.lport', 'fd.rport', 'fd.proto']);
/** Fields that are written out of the ports in ways that a comparison can see. */
const TEXTS = new Set(['fd.name', 'fd.cproto', 'fd.sproto', 'fd.lproto', 'fd.rproto']);

interface Known {
  /** Type, status and transport in one number. */
  kind: number;
  /** Class of the source's port << 16 | class of the destination's. */
  ports: number;
  /** Names, or classes of addresses. */
  source: string | number;
  destination: string | number;
  signature: number;
}

/**
 * Signatures of sockets, remembered by what terms can tell apart. Every connection has a port that none had before, and
 * many have an address that none had, which hardly any rule asks for: ports that lie between the same constants of the
 * rules are one class, and so are addresses of which the same comparisons are true. To tell a new connection from a
 * known one takes no text.
 */
export class SocketSignatures {
  readonly #scope: Scope;
  readonly #known: (Known | undefined)[] = new Array(SLOTS).fill(undefined);
  /** Class by port; null when the rules can tell any two ports apart. */
  readonly #classes: Uint16Array | null;
  /** Every comparison with an address; null when the rules can tell any two addresses apart. */
  readonly #tests: readonly ((address: string) => boolean)[] | null;
  readonly #addresses = new Map<string, number>();
  /** Classes by what is true of their addresses. */
  readonly #truths = new Map<string, number>();
  #interfaces = 0;

  /** @param scope of files and sockets, all terms added */
  constructor(scope: Scope) {
    this.#scope = scope;
    this.#classes = portClasses(scope.checks());
    this.#tests = this.#classes === null ? null : addressTests(scope.checks());
  }

  /** Signature of a descriptor that is a socket; {@link State.fd} is that descriptor. */
  signature(fd: Fd, socket: Socket, event: Event, state: State): number {
    const interfaces = state.interfaces.entries().length;
    if (interfaces !== this.#interfaces) {
      this.#interfaces = interfaces;
      this.#known.fill(undefined);
      this.#addresses.clear();
    }
    const { sourcePort, destinationPort } = socket;
    const classes = this.#classes;
    const isNamed = !socket.hasEnds;
    const tests = this.#tests;
    const source = isNamed
      ? fd.name
      : tests === null
        ? socket.sourceAddress
        : this.#classOf(socket.sourceAddress, tests, state);
    const destination =
      isNamed || tests === null ? socket.destinationAddress : this.#classOf(socket.destinationAddress, tests, state);
    const kind = fd.type | (fd.status << 5) | (socket.l4 << 16);
    const ports =
      classes === null
        ? (sourcePort << 16) | destinationPort
        : ((classes[sourcePort] as number) << 16) | (classes[destinationPort] as number);
    let hash = Math.imul(kind, 0x9e3779b1) ^ Math.imul(ports, 0x85ebca6b);
    hash = mix(mix(hash, source), destination);
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#known[slot];
    if (
      known !== undefined &&
      known.kind === kind &&
      known.ports === ports &&
      known.source === source &&
      known.destination === destination
    ) {
      return known.signature;
    }
    const signature = this.#scope.signature(event, state);
    this.#known[slot] = { kind, ports, source, destination, signature };
    return signature;
  }

  /** Class of an address: which comparisons are true of it, and whether it is the machine's own. */
  #classOf(address: string, tests: readonly ((address: string) => boolean)[], state: State): number {
    let known = this.#addresses.get(address);
    if (known === undefined) {
      // An end that is not known is no value, and like no address.
      let truth = address === '' ? 'unknown' : state.interfaces.isLocal(address) ? 'own ' : '';
      if (address !== '') for (const test of tests) truth += test(address) ? '1' : '0';
      known = this.#truths.get(truth);
      if (known === undefined) {
        known = this.#truths.size;
        this.#truths.set(truth, known);
      }
      if (this.#addresses.size >= ADDRESSES) this.#addresses.clear();
      this.#addresses.set(address, known);
    }
    return known;
  }
}

/** Every comparison with an address, asked of one; null when one of them compares something else with it than constants. */
function addressTests(checks: Iterable<Check>): ((address: string) => boolean)[] | null {
  const tests: ((address: string) => boolean)[] = [];
  for (const check of checks) {
    const fields = fieldsIn(check);
    if (!fields.some(({ name }) => ADDRESS.test(name))) continue;
    if (check.left.kind !== 'field' || check.right?.kind === 'operand') return null;
    if (check.operator !== 'exists') tests.push(matcherOf(check));
  }
  return tests;
}

/** The end of an address or path is what tells it from others. */
function mix(hash: number, text: string | number): number {
  if (typeof text === 'number') return Math.imul(hash ^ text, 0x01000193);
  let mixed = hash;
  const { length } = text;
  for (let i = length > 8 ? length - 8 : 0; i < length; i++) {
    mixed = Math.imul(mixed ^ text.charCodeAt(i), 0x01000193);
  }
  return mixed;
}

/** Class of each port, two ports of one class being alike to all checks; null when that cannot be told. */
function portClasses(checks: Iterable<Check>): Uint16Array | null {
  const bounds = new Set<number>();
  for (const check of checks) {
    const fields = fieldsIn(check);
    const isPort = fields.some(({ name }) => PORTS.has(name));
    if (!isPort && !fields.some(({ name }) => TEXTS.has(name))) continue;
    if (check.left.kind !== 'field' || check.right?.kind === 'operand') return null;
    if (isPort) {
      if (check.operator === 'exists') continue;
      for (const constant of constantsOf(check)) {
        if (typeof constant !== 'number') return null;
        bounds.add(constant);
      }
    } else if (check.left.name !== 'fd.name' || !isBlind(check)) return null;
  }
  const classes = new Uint16Array(65536);
  let below = 0;
  for (let port = 0; port < classes.length; port++) {
    if (bounds.has(port)) {
      classes[port] = below + 1;
      below += 2;
    } else classes[port] = below;
  }
  return classes;
}

/** Characters of which the names of connections consist (`1.2.3.4:5->::1:80`). */
const FOREIGN = /[^0-9a-f.:>-]/;
/** The same where patterns have characters of their own and case may not count. */
const FOREIGN_LETTER = /[g-zG-Z]/;

/** True when the check has one answer for all names of connections. */
function isBlind(check: Check): boolean {
  const texts = literalsOf(check.right).map(({ text }) => text);
  switch (check.operator) {
    case 'exists':
      return true;
    case '=':
    case '==':
    case '!=':
    case 'in':
    case 'startswith':
    case 'endswith':
    case 'contains':
    case 'intersects':
      return texts.every((text) => FOREIGN.test(text));
    case 'icontains':
    case 'pmatch':
      return texts.every((text) => FOREIGN_LETTER.test(text));
    case 'glob':
    case 'iglob':
      // A set of characters may hold such letters without asking for one.
      return texts.every((text) => FOREIGN_LETTER.test(text) && !text.includes('['));
    default:
      return false;
  }
}
