/** Options of Falco's container plugin 0.7 (`init_config`). */
export interface RuntimeSettings {
  /** `label_max_len`: longer values of labels are left out. */
  readonly labelMaxLength: number;
  readonly engines: Readonly<Record<string, EngineSettings>>;
}

export interface EngineSettings {
  readonly enabled: boolean;
  /** Paths on the host; `*` stands for any name of a directory. */
  readonly sockets: readonly string[];
}

const CRI_SOCKETS = [
  '/run/containerd/containerd.sock',
  '/run/crio/crio.sock',
  '/run/k3s/containerd/containerd.sock',
  '/run/host-containerd/containerd.sock',
];

const DEFAULT_SOCKETS: Readonly<Record<string, readonly string[]>> = {
  docker: ['/var/run/docker.sock', '/run/docker.sock'],
  podman: ['/run/podman/podman.sock', '/run/user/*/podman/podman.sock'],
  cri: CRI_SOCKETS,
  containerd: CRI_SOCKETS.filter((path) => path.includes('containerd')),
};

const LABEL_MAX_LENGTH = 100;

/** Settings out of `init_config`; what is not said has Falco's defaults. */
export function runtimeSettings(init: Readonly<Record<string, unknown>>): RuntimeSettings {
  const said = (init.engines ?? {}) as Readonly<Record<string, { enabled?: unknown; sockets?: unknown } | undefined>>;
  const engines = Object.entries(DEFAULT_SOCKETS).map(([kind, defaults]): [string, EngineSettings] => {
    const { enabled, sockets } = said[kind] ?? {};
    return [kind, { enabled: enabled !== false, sockets: Array.isArray(sockets) ? sockets.map(String) : defaults }];
  });
  const max = Number(init.label_max_len);
  return { labelMaxLength: max > 0 ? max : LABEL_MAX_LENGTH, engines: Object.fromEntries(engines) };
}
