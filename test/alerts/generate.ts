/**
 * Alerts as a small fleet would send them: the same seed gives the same alerts. A few loud kinds, many quiet ones,
 * and a handful that matter, as in life. Rules, priorities, tags and messages are those of rules/.
 */
export interface Made {
  readonly text: string;
  readonly uuid: string;
}

interface Kind {
  readonly weight: number;
  readonly rule: string;
  readonly priority: string;
  readonly tags: readonly string[];
  readonly message: string;
  readonly fields: (pick: Random) => Record<string, string | number | null>;
}

/** mulberry32: a small generator whose sequence is fixed by its seed. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }
  below(n: number): number {
    return Math.floor(this.next() * n);
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  hex(length: number): string {
    let out = '';
    while (out.length < length) out += this.below(16).toString(16);
    return out;
  }
}

const HOSTS = ['node-a1', 'node-a2', 'node-a3', 'node-b1', 'node-b2', 'build-7'];
const WORKLOADS = [
  { namespace: 'shop', pod: 'checkout-6d4cf56db6-x8k2p', container: 'checkout', image: 'registry.local/shop/checkout' },
  { namespace: 'shop', pod: 'cart-7f9c6d5b4d-qz4wn', container: 'cart', image: 'registry.local/shop/cart' },
  { namespace: 'shop', pod: 'postgres-0', container: 'postgres', image: 'docker.io/library/postgres' },
  {
    namespace: 'monitoring',
    pod: 'node-exporter-t6b9d',
    container: 'node-exporter',
    image: 'quay.io/prom/node-exporter',
  },
  { namespace: 'ci', pod: 'runner-5b8d79f6c8-vv7lk', container: 'runner', image: 'registry.local/ci/runner' },
  { namespace: 'kube-system', pod: 'coredns-76f75df574-4lqzr', container: 'coredns', image: 'registry.k8s.io/coredns' },
] as const;
const SENSITIVE = [
  '/etc/shadow',
  '/etc/sudoers',
  '/etc/pam.d/sshd',
  '/etc/pam.d/common-auth',
  '/etc/security/pwquality.conf',
];

const contained = (
  pick: Random,
  among: readonly number[] = [0, 1, 2, 3, 4, 5],
): Record<string, string | number | null> => {
  const workload = WORKLOADS[pick.of(among)] as (typeof WORKLOADS)[number];
  return {
    'container.id': pick.hex(12),
    'container.name': workload.container,
    'container.image.repository': workload.image,
    'container.image.tag': 'v2.4.1',
    'k8s.ns.name': workload.namespace,
    'k8s.pod.name': workload.pod,
  };
};
const onHost = (): Record<string, string | number | null> => ({
  'container.id': 'host',
  'container.name': 'host',
  'container.image.repository': null,
  'k8s.ns.name': null,
  'k8s.pod.name': null,
});
const process = (
  name: string,
  parent: string,
  cmdline: string,
  pick: Random,
): Record<string, string | number | null> => ({
  'evt.type': 'execve',
  'proc.name': name,
  'proc.exepath': `/usr/bin/${name}`,
  'proc.cmdline': cmdline,
  'proc.pid': 1000 + pick.below(30000),
  'proc.ppid': 500 + pick.below(400),
  'proc.pname': parent,
  'proc.aname[2]': 'containerd-shim',
  'proc.aname[3]': 'systemd',
  'user.name': 'root',
  'user.uid': 0,
  'user.loginuid': -1,
});

const KINDS: readonly Kind[] = [
  {
    weight: 600,
    rule: 'Read sensitive file untrusted',
    priority: 'Warning',
    tags: ['T1003.008', 'T1555', 'container', 'filesystem', 'host', 'maturity_stable', 'mitre_credential_access'],
    message: 'Sensitive file read',
    fields: (pick) => {
      const file = pick.of(SENSITIVE);
      return { ...contained(pick), ...process('grep', 'bash', `grep -r root ${file}`, pick), 'fd.name': file };
    },
  },
  {
    weight: 200,
    rule: 'Contact K8S API Server From Container',
    priority: 'Notice',
    tags: ['T1565', 'container', 'k8s', 'maturity_stable', 'mitre_discovery', 'network'],
    message: 'Kubernetes API server contacted from a container',
    fields: (pick) => ({
      ...contained(pick),
      ...process('operator', 'tini', 'operator --watch all', pick),
      'fd.name': `10.0.${pick.below(8)}.${pick.below(250)}:${30000 + pick.below(9000)}->10.96.0.1:443`,
      'fd.sip': '10.96.0.1',
      'fd.sport': 443,
    }),
  },
  {
    weight: 100,
    rule: 'Launch Package Management Process in Container',
    priority: 'Error',
    tags: ['T1505', 'container', 'maturity_incubating', 'mitre_persistence', 'process', 'software_mgmt'],
    message: 'Package manager started in a container',
    fields: (pick) => ({
      ...contained(pick, [1, 4]),
      ...process('apt-get', 'sh', `apt-get install -y lib${pick.hex(4)}`, pick),
    }),
  },
  {
    weight: 60,
    rule: 'Terminal shell in container',
    priority: 'Notice',
    tags: ['T1059', 'container', 'maturity_stable', 'mitre_execution', 'shell'],
    message: 'Shell with a terminal in a container',
    fields: (pick) => ({ ...contained(pick), ...process('bash', 'runc', 'bash', pick), 'proc.tty': 34816 }),
  },
  {
    weight: 30,
    rule: 'User mgmt binaries',
    priority: 'Notice',
    tags: ['T1098', 'container', 'host', 'maturity_incubating', 'mitre_persistence', 'software_mgmt', 'users'],
    message: 'Accounts changed',
    fields: (pick) => ({ ...onHost(), ...process('useradd', 'bash', `useradd -m user${pick.below(90)}`, pick) }),
  },
  {
    weight: 8,
    rule: 'Execution from /dev/shm',
    priority: 'Warning',
    tags: ['T1059.004', 'container', 'host', 'maturity_stable', 'mitre_execution'],
    message: 'Program started from shared memory',
    fields: (pick) => ({
      ...contained(pick, [0, 4]),
      ...process(`kworker${pick.below(64)}`, 'sh', `/dev/shm/.x/kworker -o pool.${pick.hex(6)}`, pick),
      'proc.exepath': '/dev/shm/.x/kworker',
    }),
  },
  {
    weight: 3,
    rule: 'Drop and execute new binary in container',
    priority: 'Critical',
    tags: ['TA0003', 'container', 'maturity_stable', 'mitre_persistence', 'process'],
    message: 'A program that the image does not have was run',
    fields: (pick) => ({
      ...contained(pick, [4]),
      ...process('xmrig', 'sh', 'xmrig --coin monero', pick),
      'proc.is_exe_upper_layer': 'true',
    }),
  },
  {
    weight: 2,
    rule: 'Linux Kernel Module Injection Detected',
    priority: 'Warning',
    tags: ['T1547.006', 'TA0003', 'container', 'host', 'maturity_stable', 'mitre_persistence', 'process'],
    message: 'Kernel module loaded',
    fields: (pick) => ({ ...onHost(), ...process('insmod', 'bash', 'insmod ./nf_helper.ko', pick) }),
  },
];
const TOTAL = KINDS.reduce((sum, kind) => sum + kind.weight, 0);

const pad = (n: number, width: number) => String(n).padStart(width, '0');

/** One alert at `seconds` since the epoch (with a fraction made up to nine digits). */
export function makeAlert(pick: Random, seconds: number): Made {
  let left = pick.below(TOTAL);
  const kind = KINDS.find((one) => (left -= one.weight) < 0) as Kind;
  const fields = kind.fields(pick);
  const nanos = `${pad(pick.below(1000), 3)}${pad(pick.below(1000), 3)}${pad(pick.below(1000), 3)}`;
  const stamp = new Date(seconds * 1000).toISOString().slice(0, 19);
  const shown = Object.entries(fields).map(([name, value]) => `${name.replaceAll('.', '_')}=${value ?? '<NA>'}`);
  const hostname = fields['container.id'] === 'host' ? pick.of(HOSTS) : (HOSTS[pick.below(5)] as string);
  const uuid = `${pick.hex(8)}-${pick.hex(4)}-4${pick.hex(3)}-a${pick.hex(3)}-${pick.hex(12)}`;
  const head = JSON.stringify({
    uuid,
    hostname,
    output: `${stamp.slice(11)}.${nanos}: ${kind.priority} ${kind.message} (${shown.join(' ')})`,
    priority: kind.priority,
    rule: kind.rule,
    source: 'syscall',
    tags: kind.tags,
    time: `${stamp}.${nanos}Z`,
  });
  const names = JSON.stringify(fields);
  return {
    uuid,
    text: `${head.slice(0, -1)},"output_fields":{"evt.time":${Math.floor(seconds)}${nanos},${names.slice(1)}}`,
  };
}

/** `count` alerts spread evenly over [from, to) seconds since the epoch. */
export function* makeAlerts(seed: number, count: number, from: number, to: number): Generator<Made> {
  const pick = new Random(seed);
  for (let i = 0; i < count; i++) yield makeAlert(pick, from + ((to - from) * i) / count);
}
