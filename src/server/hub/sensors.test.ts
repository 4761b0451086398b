import { expect, it } from 'vitest';
import { createSensors, parseMetrics } from './sensors.ts';

const page = (events: number) => `# HELP falcosecurity_scap_n_evts_total Events read.
# TYPE falcosecurity_scap_n_evts_total counter
falcosecurity_scap_n_evts_total{evt_source="syscall"} ${events}
falcosecurity_scap_n_evts_total{evt_source="k8s_audit"} 5
falcosecurity_scap_n_drops_total{evt_source="syscall"} 7
falcosecurity_falco_version_info{version="0.44.1"} 1
falcosecurity_evt_hostname_info{evt_hostname="node \\"a\\\\1\\""} 1
falcosecurity_falco_kernel_release_info{kernel_release="6.12.9"} 1
`;

it('reads the text format of Prometheus', () => {
  expect(parseMetrics(page(1e6)).map(({ name, value }) => [name.replace('falcosecurity_', ''), value])).toEqual([
    ['scap_n_evts_total', 1e6],
    ['scap_n_evts_total', 5],
    ['scap_n_drops_total', 7],
    ['falco_version_info', 1],
    ['evt_hostname_info', 1],
    ['falco_kernel_release_info', 1],
  ]);
  expect(parseMetrics(page(1))[4]?.labels).toEqual({ evt_hostname: 'node "a\\1"' });
});

it('says how sensors are, and which do not answer', async () => {
  const sensors = createSensors(['http://one:8765', 'http://two:8765'], (async (url: URL) => {
    if (url.host === 'two:8765') throw new Error('no route');
    return new Response(page(100));
  }) as typeof fetch);
  expect(await sensors.reports()).toMatchObject([
    {
      kind: 'sensor',
      name: 'node "a\\1"',
      body: { version: '0.44.1', kernel: '6.12.9', drops: 7, events_per_second: null },
    },
    { kind: 'sensor', name: 'two:8765', body: { error: 'no route' } },
  ]);
});
