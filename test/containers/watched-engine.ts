/** An engine of its own with a sensor that watches its containers and nothing else: Docker and Podman, told apart here only. */
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { AlertLine } from '../live/sensor.ts';
import {
  busyboxRoot,
  type Daemon,
  docker,
  dockerImage,
  onTerminal,
  podman,
  podmanImage,
  podmanScript,
  startDocker,
  startPodman,
} from './engines.ts';
import { makeCgroup, type RunningSensor, startSensor } from './sensor.ts';

export const RULES = fileURLToPath(new URL('rules.yaml', import.meta.url));
export const IMAGE = 'registry.test/team/shell:1.2';

const ENGINES = {
  docker: {
    start: startDocker,
    image: dockerImage,
    client: ({ socket }: Daemon) => `docker -H unix://${socket}`,
    call: ({ socket }: Daemon, args: readonly string[]) => docker(socket, ...args),
  },
  podman: {
    start: startPodman,
    image: ({ folder }: Daemon, ...args: [name: string, root: string, ...changes: string[]]) =>
      podmanImage(folder, ...args),
    client: ({ folder }: Daemon) => podmanScript(folder),
    call: ({ folder }: Daemon, args: readonly string[]) => podman(folder, ...args),
  },
};

export interface WatchedEngine {
  readonly daemon: Daemon;
  readonly sensor: RunningSensor;
  /** Where the containers are. */
  readonly cgroup: { readonly parent: string; readonly directory: string };
  /** Those of the sensor: the rules, and whom it asks about containers. */
  readonly options: readonly string[];
  /** How to call the engine in a line of sh. */
  readonly client: string;
  /** Calls the engine; its output. */
  call(...args: readonly string[]): string;
  /** Starts a container of {@link IMAGE}; its id. */
  container(name: string, ...options: readonly string[]): string;
  /** Runs a line of sh in a container, on a terminal. */
  terminal(name: string, command: string): Promise<void>;
  stop(): Promise<void>;
}

export async function watchEngine(name: keyof typeof ENGINES): Promise<WatchedEngine> {
  const engine = ENGINES[name];
  const cgroup = makeCgroup(name);
  const daemon = await engine.start();
  const end = async () => {
    await daemon.stop();
    cgroup.remove();
  };
  const sockets = `windhover.containers.engines={"${name}":{"sockets":["${daemon.socket}"]}}`;
  const options = ['-r', RULES, '-o', sockets, '-o', 'rule_matching=all'];
  let sensor: RunningSensor;
  try {
    engine.image(daemon, IMAGE, busyboxRoot(daemon.folder), 'LABEL team=blue', 'CMD ["sleep", "1000"]');
    sensor = await startSensor(cgroup.directory, options);
  } catch (error) {
    await end();
    throw error;
  }
  const client = engine.client(daemon);
  const call = (...args: readonly string[]): string => engine.call(daemon, args);
  return {
    daemon,
    sensor,
    cgroup,
    options,
    client,
    call,
    container: (of, ...settings) =>
      call('run', '-d', '--name', of, '--cgroup-parent', cgroup.parent, ...settings, IMAGE),
    terminal: (of, command) => onTerminal(`${client} exec -it ${of} sh -c '${command}'`),
    async stop() {
      await sensor.stop();
      await end();
    },
  };
}

/** The alert says all that an engine knows of the container `one`, with the label `tier=front`, of {@link IMAGE}. */
export function expectAllKnown({ output, output_fields: fields }: AlertLine, type: string, id: string): void {
  expect(fields).toMatchObject({
    'container.id': id.slice(0, 12),
    'container.full_id': id,
    'container.name': 'one',
    'container.type': type,
    'container.image.id': expect.stringMatching(/^[0-9a-f]{64}$/),
    'container.image.repository': 'registry.test/team/shell',
    'container.image.tag': '1.2',
    'container.labels': expect.stringContaining('team:blue'),
  });
  expect(fields['container.labels']).toContain('tier:front');
  expect(fields['container.start_ts']).toBeGreaterThan(1.7e18);
  expect(output).not.toContain('missing');
}
