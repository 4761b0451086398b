import { expect, it } from 'vitest';
import { createSensors, expensesOf, parseMetrics } from './sensors.ts';

const page = (events: number) => `# HELP falcosecurity_scap_n_evts_total Events read.
# TYPE falcosecurity_scap_n_evts_total counter
falcosecurity_scap_n_evts_total{evt_source="syscall"} ${events}
falcosecurity_scap_n_evts_total{evt_source="k8s_audit"} 5
falcosecurity_scap_n_drops_total{evt_source="syscall"} 7
falcosecurity_falco_version_info{version="0.44.1"} 1
falcosecurity_evt_hostname_info{evt_hostname="node \\"a\\\\1\\""} 1
falcosecurity_falco_kernel_release_info{kernel_release="6.12.9"} 1
`;
const RULES = `falcosecurity_scap_n_drops_buffer_total{drop="open"} 6
falcosecurity_falco_rules_matches_total{rule_name="a",priority="4",source="syscall"} 2
windhover_rules_evaluations_total{rule_name="a",source="syscall"} 10
windhover_rules_evaluation_seconds_total{rule_name="a",source="syscall"} 2e-06
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
    return new Response(page(100) + RULES);
  }) as typeof fetch);
  const reports = await sensors.reports();
  sensors.close();
  expect(reports).toMatchObject([
    {
      kind: 'sensor',
      name: 'node "a\\1"',
      body: { version: '0.44.1', kernel: '6.12.9', drops: 7, dropped_by: { buffer: 6 }, events_per_second: null },
    },
    { kind: 'sensor', name: 'two:8765', body: { error: 'no route' } },
  ]);
  expect(expensesOf([...reports, ...reports])).toEqual([{ name: 'a', evaluations: 20, nanoseconds: 4000, matches: 4 }]);
});

it('asks every address that a name stands for', async () => {
  const asked: string[] = [];
  const sensors = createSensors(
    ['http://sensors.windhover:8765'],
    (async (url: URL) => {
      asked.push(url.href);
      return new Response(page(1).replace('node', url.hostname));
    }) as typeof fetch,
    async () => ['10.0.0.1', '10.0.0.2', 'fd00::3'],
  );
  expect((await sensors.reports()).map(({ name }) => name.split(' ')[0])).toEqual([
    '10.0.0.1',
    '10.0.0.2',
    '[fd00::3]',
  ]);
  sensors.close();
  expect(asked.sort()).toEqual([
    'http://10.0.0.1:8765/metrics',
    'http://10.0.0.2:8765/metrics',
    'http://[fd00::3]:8765/metrics',
  ]);
});
