/**
 * Every key of the configuration with its default, its meaning and how it compares with Falco 0.44.1: the one
 * source for checking, `--config-schema` and docs/falco-compatibility.md.
 *
 * Defaults are those of Falco's code, which hold for a key that the file leaves out.
 */
import { z } from 'zod';

export interface KeyDoc {
  readonly doc: string;
  /** `same`, `better`, `own` (not in Falco), `none` (accepted without effect) or `removed` (Falco removed the feature). */
  readonly compat: 'same' | 'better' | 'own' | 'none' | 'removed';
  /** Why it is not the same. */
  readonly note?: string;
}

export const keyDocs = z.registry<KeyDoc>();

function key<T extends z.ZodType>(schema: T, doc: string, compat: KeyDoc['compat'] = 'same', note?: string): T {
  keyDocs.add(schema, note === undefined ? { doc, compat } : { doc, compat, note });
  return schema;
}

const flag = (value: boolean) => z.boolean().default(value);
const integer = (value: number) => z.int().default(value);
const text = (value: string) => z.string().default(value);
const section = <S extends z.ZodRawShape>(shape: S) => z.object(shape).prefault({} as never);

const ringBuffer = {
  buf_size_preset: key(integer(4), 'Size of each ring: 1..10 for 1 MB · 2^(n-1).'),
  drop_failed_exit: key(flag(false), 'Leave out system calls that failed.'),
};

const engine = section({
  kind: key(
    z.string().default('modern_ebpf'),
    '`modern_ebpf` (live), `replay` (a capture file) or `nodriver` (plugins only).',
    'better',
    'There is one probe, so `kmod` and `ebpf` are taken as `modern_ebpf`, with a message; `gvisor` is refused.',
  ),
  kmod: section(ringBuffer),
  modern_ebpf: section({
    ...ringBuffer,
    cpus_for_each_buffer: key(
      integer(2),
      'How many CPUs share a ring; 0 for one ring.',
      'better',
      'At the default, 8 CPUs share one ring as large as their buffers together; several are merged by time.',
    ),
    disable_iterators: key(
      flag(false),
      'Do not read the initial state through BPF iterators.',
      'none',
      'The initial state is read from /proc, within the scope.',
    ),
  }),
  replay: section({ capture_file: key(text(''), 'The .scap file that `kind: replay` reads.') }),
});

const plugin = z.looseObject({
  name: z.string(),
  library_path: z.string().default(''),
  init_config: z.union([z.string(), z.record(z.string(), z.unknown())]).default(''),
  open_params: z.string().default(''),
});

const appendOutput = z.looseObject({
  match: z
    .object({
      rule: z.string().default(''),
      source: z.string().default(''),
      tags: z.array(z.string()).default([]),
    })
    .prefault({}),
  extra_output: z.string().default(''),
  extra_fields: z.array(z.union([z.string(), z.record(z.string(), z.string())])).default([]),
  suggested_output: z.boolean().default(false),
});

const ruleSelector = z.object({ rule: z.string().optional(), tag: z.string().optional() });

export const configSchema = z.object({
  config_files: key(
    z.array(z.union([z.string(), z.object({ path: z.string(), strategy: z.string().default('append') })])).default([]),
    'Further files, or directories of them, merged by top-level key: `append`, `override` or `add-only`.',
  ),
  watch_config_files: key(
    flag(true),
    'Reload when a configuration or rules file changes.',
    'better',
    'The thread table and the open sources stay; no event is lost; an invalid set changes nothing.',
  ),
  rules_files: key(
    z
      .array(z.string())
      .default(['/etc/falco/falco_rules.yaml', '/etc/falco/falco_rules.local.yaml', '/etc/falco/rules.d']),
    'Rules files, and directories of .yaml and .yml files, in order; what does not exist is left out.',
  ),
  rules_file: key(z.array(z.string()).optional(), 'Old name of `rules_files`; both together are an error.'),
  rules: key(
    z.array(z.looseObject({ enable: ruleSelector.optional(), disable: ruleSelector.optional() })).default([]),
    'Enable and disable rules, in order, by `rule:` (a name, `*` allowed) or `tag:`.',
  ),
  engine,
  capture: section({
    enabled: key(flag(false), 'Record the events around alerts as .scap files.'),
    path_prefix: key(text('/tmp/falco'), 'Start of the name: `<prefix>_<time>_<event number>.scap`.'),
    mode: key(z.string().default('rules'), '`rules` (those with `capture: true`) or `all_rules`.'),
    default_duration: key(integer(5000), 'Milliseconds to record after the last match.'),
    max_file_size_mb: key(integer(0), 'Stop a recording at this size; 0 for no limit.'),
  }),
  k8s_audit_endpoint: key(
    text(''),
    'Listen for audit events of Kubernetes at the port and path of this URL, as the plugin k8saudit does.',
    'own',
  ),
  load_plugins: key(
    z.array(z.string()).optional(),
    'Which of `plugins` to load; all when left out.',
    'better',
    'Built-in plugins need no library.',
  ),
  plugins: key(
    z.array(plugin).default([]),
    'Plugins: `name`, `library_path`, `init_config`, `open_params`.',
    'better',
    'Built in by name (container, k8saudit, json, …); `library_path` is not opened.',
  ),
  plugins_hostinfo: key(
    flag(true),
    'Give plugins information on the host.',
    'none',
    'Built-in plugins do not need it.',
  ),
  time_format_iso_8601: key(flag(false), 'Times in ISO 8601 and UTC instead of local time.'),
  buffer_format_base64: key(flag(false), 'Print byte buffers in base64.'),
  priority: key(z.string().default('debug'), 'Rules that are less severe are not loaded into the engine.'),
  json_output: key(flag(false), 'Alerts (and the output of -V, -L, --list, --version) as JSON.'),
  json_include_output_property: key(flag(true), '`output` in JSON alerts.'),
  json_include_tags_property: key(flag(true), '`tags` in JSON alerts.'),
  json_include_message_property: key(flag(false), '`message` (without time and priority) in JSON alerts.'),
  json_include_output_fields_property: key(flag(true), '`output_fields` in JSON alerts.'),
  buffered_outputs: key(flag(false), 'Let standard output be written in blocks.'),
  rule_matching: key(z.string().default('first'), '`first` matching rule of an event, or `all`.'),
  outputs_queue: section({
    capacity: key(
      integer(0),
      'Alerts that may wait for a channel; 0 for as many as fit into 64 MiB.',
      'better',
      'Each channel has its own queue of this length, so a blocked one never delays another; drops are counted for each.',
    ),
  }),
  append_output: key(
    z
      .array(appendOutput)
      .default([
        { match: { rule: '', source: '', tags: [] }, extra_output: '', extra_fields: [], suggested_output: true },
      ]),
    'Text and fields added to alerts of matching rules.',
  ),
  static_fields: key(z.record(z.string(), z.string()).default({}), 'Constant fields, `static.NAME`.'),
  stdout_output: section({
    enabled: key(
      flag(false),
      'Alerts on standard output.',
      'better',
      'Taken as on, with a message, when no channel is on.',
    ),
  }),
  syslog_output: section({ enabled: key(flag(false), 'Alerts to syslog.') }),
  file_output: section({
    enabled: key(flag(false), 'Alerts appended to a file.'),
    filename: key(text(''), 'The file.'),
    keep_alive: key(flag(false), 'Keep the file open; otherwise it is opened for each alert.'),
  }),
  http_output: section({
    enabled: key(
      flag(false),
      'Alerts as HTTP POST requests.',
      'better',
      'The status is honoured: 429, 5xx and network errors are tried again, a bounded number of times.',
    ),
    url: key(text(''), 'Where to.'),
    user_agent: key(text('falcosecurity/falco'), '`User-Agent` header.'),
    insecure: key(flag(false), 'Do not verify the server’s certificate.'),
    ca_cert: key(text(''), 'PEM file of a CA to trust.'),
    ca_bundle: key(text(''), 'PEM file of CAs to trust; used when there is no ca_cert.'),
    ca_path: key(text('/etc/ssl/certs'), 'Directory of CA files; used when there is neither.'),
    mtls: key(flag(false), 'Present a client certificate.'),
    client_cert: key(text('/etc/ssl/certs/client.crt'), 'PEM file of the client certificate.'),
    client_key: key(text('/etc/ssl/certs/client.key'), 'PEM file of its key.'),
    echo: key(flag(false), 'Print the server’s answer on standard output.'),
    compress_uploads: key(flag(false), 'gzip the body.'),
    keep_alive: key(flag(false), 'Use the connection again.'),
    max_consecutive_timeouts: key(
      integer(5),
      'Time-outs in a row after which the channel gives up.',
      'better',
      'It then pauses for a growing time instead of stopping.',
    ),
  }),
  program_output: section({
    enabled: key(flag(false), 'Alerts on the standard input of a program.'),
    program: key(text(''), 'Run by `sh -c`; event data reaches it on its standard input only.'),
    keep_alive: key(flag(false), 'Keep it running; otherwise it is started for each alert.'),
  }),
  grpc: key(z.unknown().optional(), 'gRPC server.', 'removed', 'Removed in Falco 0.44; the hub’s API takes its place.'),
  grpc_output: key(
    z.unknown().optional(),
    'gRPC output.',
    'removed',
    'Removed in Falco 0.44; the hub’s API takes its place.',
  ),
  webserver: section({
    enabled: key(flag(false), 'Serve health, versions and metrics.'),
    threadiness: key(integer(0), 'Threads of the server.', 'none', 'The server does not block, whatever the number.'),
    listen_port: key(integer(8765), 'Port.'),
    listen_address: key(text('0.0.0.0'), 'IP address.'),
    k8s_healthz_endpoint: key(text('/healthz'), 'Path of the health check.'),
    prometheus_metrics_enabled: key(flag(false), 'Serve `/metrics` (needs `metrics.enabled`).'),
    ssl_enabled: key(flag(false), 'HTTPS.'),
    ssl_certificate: key(text('/etc/falco/falco.pem'), 'PEM file with certificate and key.'),
  }),
  log_stderr: key(flag(false), 'Own messages on standard error.'),
  log_syslog: key(flag(true), 'Own messages to syslog.'),
  log_level: key(z.string().default('info'), 'emergency, alert, critical, error, warning, notice, info or debug.'),
  libs_logger: section({
    enabled: key(flag(true), 'Messages of the event libraries.', 'none', '`log_level` covers every part.'),
    severity: key(text('info'), 'Their level.', 'none', '`log_level` covers every part.'),
  }),
  output_timeout: key(integer(2000), 'Milliseconds after which a blocked channel is reported.'),
  syscall_event_timeouts: section({
    max_consecutives: key(
      integer(1000),
      'Time-outs without an event, in a row, after which an internal alert is raised.',
    ),
  }),
  syscall_event_drops: section({
    threshold: key(z.number().default(0.1), 'Share of lost events above which the actions are taken.'),
    actions: key(z.array(z.string()).default(['ignore']), '`ignore`, `log`, `alert`, `exit`.'),
    rate: key(z.number().default(0.03333), 'Actions a second.'),
    max_burst: key(z.number().default(1), 'Actions in a burst.'),
    simulate_drops: key(flag(false), 'Pretend a lost event each second, for tests.'),
  }),
  metrics: section({
    enabled: key(flag(false), 'Metrics of the sensor.'),
    interval: key(z.string().default('1h'), 'A duration (`30s`, `1h30m`), or milliseconds; at least 100 ms.'),
    output_rule: key(flag(true), 'As an internal alert.'),
    output_file: key(text(''), 'As JSON lines in this file.'),
    rules_counters_enabled: key(flag(true), 'Alerts of each rule.'),
    resource_utilization_enabled: key(flag(true), 'CPU and memory.'),
    state_counters_enabled: key(flag(true), 'Threads and descriptors known.'),
    kernel_event_counters_enabled: key(flag(true), 'Events and drops.'),
    kernel_event_counters_per_cpu_enabled: key(flag(false), 'The same for each CPU.'),
    kernel_iter_event_counters_enabled: key(
      flag(false),
      'Counters of BPF iterators.',
      'none',
      'The initial state is read from /proc.',
    ),
    libbpf_stats_enabled: key(
      flag(true),
      'Run count and time of the BPF programs.',
      'none',
      'The kernel’s accounting of BPF programs is not turned on: it costs every program on the host.',
    ),
    plugins_metrics_enabled: key(
      flag(true),
      'Counters of the plugins.',
      'none',
      'Built-in plugins count as event sources.',
    ),
    jemalloc_stats_enabled: key(flag(false), 'Counters of jemalloc.', 'none', 'jemalloc is not used.'),
    convert_memory_to_mb: key(flag(true), 'Memory in MB.'),
    include_empty_values: key(flag(false), 'Also metrics that are zero.'),
  }),
  base_syscalls: section({
    custom_set: key(
      z.array(z.string()).default([]),
      'System calls to read beside those of the rules; `!name` takes one out.',
    ),
    repair: key(flag(false), 'Take the smallest set that keeps the state right.'),
    all: key(flag(false), 'Also system calls with a high rate and little use for rules.'),
  }),
  falco_libs: section({
    thread_table_size: key(integer(262144), 'Most threads that are known at a time.'),
    thread_table_auto_purging_interval_s: key(integer(300), 'Seconds between looking for threads that are gone.'),
    thread_table_auto_purging_thread_timeout_s: key(
      integer(300),
      'Seconds without an event after which a thread is looked up.',
    ),
    snaplen: key(integer(80), 'Bytes read of each buffer.'),
  }),
  windhover: section({
    scope: key(text('everything'), '`everything`, `cgroup=PATH` or `pid=N`: what the kernel sends.', 'own'),
    require_scope: key(flag(false), 'Refuse to load the probe for everything.', 'own'),
    code_generation: key(flag(true), 'Compile rules to functions; otherwise they are interpreted.', 'own'),
    flight_recorder: section({
      max_memory_mb: key(
        z.int().min(1).default(64),
        'Memory for the events before alerts (`capture.enabled`), in all; what is quiet for longest is given up first.',
        'own',
      ),
      per_container_kb: key(
        z.int().min(64).default(1024),
        'The same of each container, and of each session of processes on the host.',
        'own',
      ),
    }),
    syslog: section({
      address: key(text('/dev/log'), 'A socket path, or `udp://HOST:PORT`.', 'own'),
      ident: key(text('falco'), 'Program name in syslog messages.', 'own'),
    }),
    http_output: section({
      max_retries: key(integer(3), 'Further tries of one alert.', 'own'),
      timeout_ms: key(integer(5000), 'Longest wait for an answer.', 'own'),
      queue: key(
        text('/var/lib/windhover/http_output'),
        'Folder of a durable queue: alerts reach the receiver however often it or the sensor stops. Empty: they wait in memory and are given up after `max_retries`.',
        'own',
      ),
    }),
    queue: key(z.record(z.string(), z.unknown()).default({}), 'The forwarder’s durable queue.', 'own'),
    store: key(z.record(z.string(), z.unknown()).default({}), 'Where the hub keeps alerts.', 'own'),
    hub: key(z.record(z.string(), z.unknown()).default({}), 'The hub.', 'own'),
    forward: key(z.record(z.string(), z.unknown()).default({}), 'The forwarder.', 'own'),
    respond: key(z.record(z.string(), z.unknown()).default({}), 'The responder.', 'own'),
    containers: section({
      enabled: key(flag(true), 'Ask container engines about containers.', 'own'),
      alert_wait_ms: key(integer(1000), 'Longest wait of an alert for the metadata of its container.', 'own'),
      label_max_len: key(integer(100), 'Longer values of labels are left out.', 'own'),
      engines: key(
        z.record(z.string(), z.unknown()).default({}),
        '`docker`, `podman`, `cri`, `containerd`, each with `enabled` and `sockets`.',
        'own',
      ),
    }),
    kubernetes: section({
      enabled: key(
        z.enum(['auto', 'true', 'false']).default('auto'),
        'Follow the pods of this node: `auto` does so in a pod, and with the plugin k8smeta.',
        'own',
      ),
      kubeconfig: key(text(''), 'A kubeconfig file; without it KUBECONFIG, or the service account of our pod.', 'own'),
      node_name: key(text(''), 'Name of this node; without it NODE_NAME or FALCO_K8S_NODE_NAME.', 'own'),
      kubelet: key(
        text(''),
        'URL of the kubelet (`https://NODE:10250`), asked for pods while the API server is away.',
        'own',
      ),
    }),
  }),
});

export type Config = z.output<typeof configSchema>;
