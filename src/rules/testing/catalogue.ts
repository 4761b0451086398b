import { EVENTS } from '../../event/index.ts';
import type { FieldCatalogue, FieldSpec, FieldType } from '../catalogue.ts';

/**
 * A catalogue for the tests of the language: names, types and flags of Falco's fields, without extractors.
 * Flags: `!` argument required, `?` optional, `*` list, `f` filter only, `p` print only, `d` deprecated, `r` no
 * right-hand side fields, `t` no transformers.
 */
const FIELDS: readonly (readonly [type: FieldType, flags: string, names: string])[] = [
  ['RELTIME', 'd', `evt.latency evt.latency.s evt.latency.ns evt.wait_latency`],
  ['UINT64', 'd', `evt.latency.quantized`],
  ['CHARBUF', 'd', `evt.latency.human evt.dir`],
  [
    'RELTIME',
    '',
    `evt.deltatime evt.deltatime.s evt.deltatime.ns evt.reltime evt.reltime.s evt.reltime.ns
    proc.duration proc.ppid.duration proc.pid.ts proc.ppid.ts thread.exectime thread.totexectime`,
  ],
  ['CHARBUF', 'p', `evt.outputtime`],
  [
    'CHARBUF',
    '',
    `evt.type syscall.type evt.category evt.args evt.info evt.res evt.io_dir evt.infra.docker.name
    evt.infra.docker.container.id evt.infra.docker.container.name evt.infra.docker.container.image
    fd.type fd.typechar fd.name fd.directory fd.filename fd.l4proto fd.sockfamily fd.uid
    fd.containername fd.containerdirectory fd.cproto fd.sproto fd.lproto fd.rproto fd.nameraw
    fdlist.nums fdlist.names fdlist.cips fdlist.sips fdlist.cports fdlist.sports fs.path.name
    fs.path.nameraw fs.path.source fs.path.sourceraw fs.path.target fs.path.targetraw evt.time
    evt.time.s evt.time.iso8601 evt.datetime evt.datetime.s evt.pluginname evt.plugininfo
    evt.source evt.asynctype evt.hostname group.name NA proc.exe proc.pexe proc.exepath
    proc.pexepath proc.name proc.pname proc.cmdline proc.pcmdline proc.exeline proc.cwd proc.sname
    proc.sid.exe proc.sid.exepath proc.vpgid.name proc.vpgid.exe proc.vpgid.exepath proc.pgid.name
    proc.pgid.exe proc.pgid.exepath thread.cap_permitted thread.cap_inheritable
    thread.cap_effective thread.nametid thread.cgroups proc.stdin.type proc.stdout.type
    proc.stderr.type proc.stdin.name proc.stdout.name proc.stderr.name user.name user.homedir
    user.shell user.loginname`,
  ],
  ['UINT32', '!', `evt.type.is`],
  ['INT16', '', `evt.cpu`],
  ['CHARBUF', '!', `evt.arg evt.abspath thread.cgroup`],
  ['DYN', '!rt', `evt.rawarg`],
  ['BYTEBUF', '', `evt.buffer`],
  [
    'UINT64',
    '',
    `evt.buflen evt.buflen.in evt.buflen.out evt.buflen.file evt.buflen.file.in evt.buflen.file.out
    evt.buflen.net evt.buflen.net.in evt.buflen.net.out evt.num proc.cmdnargs proc.cmdlenargs
    proc.pidns_init_start_ts proc.fdopencount proc.vmsize proc.vmrss proc.vmswap thread.pfmajor
    thread.pfminor proc.nthreads proc.nchilds thread.vmsize thread.vmrss thread.vmsize.b
    thread.vmrss.b util.cnt`,
  ],
  [
    'INT64',
    '',
    `evt.rawres fd.num fd.ino proc.loginshellid proc.pid proc.ppid proc.vpid proc.pvpid proc.sid
    proc.vpgid proc.pgid proc.exe_ino proc.fdlimit thread.tid thread.vtid user.loginuid`,
  ],
  [
    'BOOL',
    '',
    `evt.failed evt.is_io evt.is_io_read evt.is_io_write evt.is_wait evt.is_syslog evt.is_open_read
    evt.is_open_write evt.is_open_exec evt.is_open_create fd.is_server fd.connected fd.name_changed
    fd.is_upper_layer fd.is_lower_layer evt.is_async proc.is_exe_writable proc.is_exe_upper_layer
    proc.is_exe_lower_layer proc.is_exe_from_memfd proc.is_sid_leader proc.is_vpgid_leader
    proc.is_pgid_leader thread.ismain`,
  ],
  [
    'UINT32',
    '',
    `evt.count evt.count.error evt.count.error.file evt.count.error.net evt.count.error.memory
    evt.count.error.other evt.count.exit evt.count.procinfo evt.count.threadinfo group.gid proc.tty
    user.uid`,
  ],
  ['UINT64', 'f!rt', `evt.around`],
  ['IPADDR', 'frt', `fd.ip`],
  ['IPADDR', '', `fd.cip fd.sip fd.lip fd.rip`],
  ['PORT', 'frt', `fd.port fd.proto`],
  ['PORT', '', `fd.cport fd.sport fd.lport fd.rport`],
  ['IPNET', 'frt', `fd.net fd.cnet fd.snet fd.lnet fd.rnet`],
  ['CHARBUF', 'rt', `fd.cip.name fd.sip.name fd.lip.name fd.rip.name`],
  ['INT32', '', `fd.dev fd.dev.major fd.dev.minor`],
  ['CHARBUF', '*?r', `fd.types`],
  [
    'ABSTIME',
    '',
    `evt.rawtime evt.rawtime.s evt.rawtime.ns proc.exe_ino.ctime proc.exe_ino.mtime
    proc.exe_ino.ctime_duration_proc_start proc.exe_ino.ctime_duration_pidns_start`,
  ],
  ['CHARBUF', '?rt', `proc.aexe proc.aexepath proc.aname proc.acmdline proc.aenv`],
  ['CHARBUF', '?', `proc.args proc.aargs proc.env`],
  ['INT64', '?rt', `proc.apid`],
  ['DOUBLE', '', `proc.fdusage thread.cpu thread.cpu.user thread.cpu.system`],
  [
    'CHARBUF',
    '',
    `c.true c.false c.singlequote c.doublequote container.id container.name container.image.repository
    container.image.tag k8s.ns.name k8s.pod.name container.mounts`,
  ],
  ['BYTEBUF', '', 'c.buffer'],
  ['CHARBUF', '?', 'container.mount.dest'],
  ['BOOL', '', 'container.privileged'],
  ['ABSTIME', '', 'container.start_ts'],
];

/** Fields of the audit source: what is written `ka.…` and `jevt.…`. */
const AUDIT_FIELD = /^(?:ka|jevt)\./;

const LIST_TYPES =
  /\.(?:containers|initContainers|ephemeralContainers|volumes|subjects|resources|rules|verbs|groups)\b/;

const specs = new Map<string, FieldSpec>();
for (const [type, flags, names] of FIELDS) {
  for (const name of names.split(/\s+/)) specs.set(name, spec(name, type, flags));
}

function spec(name: string, type: FieldType, flags: string): FieldSpec {
  return {
    name,
    type,
    isList: flags.includes('*'),
    argument: flags.includes('!') ? 'required' : flags.includes('?') ? 'optional' : 'none',
    filterOnly: flags.includes('f'),
    printOnly: flags.includes('p'),
    deprecated: flags.includes('d'),
    noRhs: flags.includes('r'),
    noTransformer: flags.includes('t'),
  };
}

const byName = new Map<string, number[]>();
for (const { name, type } of EVENTS) byName.set(name, [...(byName.get(name) ?? []), type]);
const all = EVENTS.map(({ type }) => type);

/** The type of a parameter of that name, of whichever event has one. */
function parameterType(name: string): FieldType | undefined {
  for (const event of EVENTS) {
    for (const param of event.params) if (param.name === name) return param.type as FieldType;
  }
  return undefined;
}

export const testCatalogue: FieldCatalogue = {
  sources: ['syscall', 'k8s_audit'],
  find(name, source) {
    if (source === 'k8s_audit' && AUDIT_FIELD.test(name)) {
      return spec(name, 'CHARBUF', LIST_TYPES.test(name) ? '?*' : '?');
    }
    const known = specs.get(name);
    if (known !== undefined) return known;
    const parameter = /^evt\.(arg|rawarg)\.(\w+)$/.exec(name);
    if (parameter === null) return undefined;
    if (parameter[1] === 'arg') return spec('evt.arg', 'CHARBUF', '');
    const type = parameterType(parameter[2] as string);
    return type === undefined ? undefined : spec('evt.rawarg', type, 'rt');
  },
  eventTypes: (name) => byName.get(name),
  allEventTypes: () => all,
  fieldNames: () => [...specs.keys()],
  eventNames: (codes) => [...new Set(codes.map((code) => EVENTS[code]?.name ?? ''))],
};
