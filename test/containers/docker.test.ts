import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AlertLine, ROOT, windhover } from '../live/sensor.ts';
import { busyboxRoot, type Daemon, docker, dockerImage, enginesMissing, startDocker } from './engines.ts';

const missing = enginesMissing('dockerd', 'docker');
let daemon: Daemon;
beforeAll(async () => {
  if (missing !== null) return;
  daemon = await startDocker();
  const root = busyboxRoot(daemon.folder);
  dockerImage(daemon, 'registry.test/team/shell:1.2', root, 'LABEL team=blue');
}, 60_000);
afterAll(() => daemon?.stop());
