import { readAlert, readAlerts, type Store } from '../../src/store/index.ts';
import { makeAlert, Random } from '../alerts/generate.ts';

/** Alerts of a day as it is: quiet at night, two bursts. */
function waves(from: number, to: number, count: number): string[] {
  const bins = 240;
  const weights = Array.from({ length: bins }, (_, i) => {
    const day = 1 + 0.7 * Math.sin((i / bins) * 2 * Math.PI - 1);
    return day + (i > 88 && i < 92 ? 5 : 0) + (i > 196 && i < 204 ? 3 : 0);
  });
  const total = weights.reduce((a, b) => a + b, 0);
  const pick = new Random(42);
  const width = (to - from) / bins;
  return weights.flatMap((weight, i) =>
    Array.from(
      { length: Math.round((weight / total) * count) },
      () => makeAlert(pick, from + (i + pick.next()) * width).text,
    ),
  );
}

/** What happened on a made-up fleet up to `now` (seconds since the epoch), for pictures of the lists. */
export function story(now: number, count = 9000) {
  return {
    alerts: waves(now - 86_000, now - 60, count).join('\n'),
    /** What people did since. */
    after: async (store: Store): Promise<void> => {
      const groups = [...store.groups()].sort((a, b) => b.count - a.count);
      const of = (rule: string) => groups.find((group) => group.rule === rule);
      const grave = of('Drop and execute new binary in container');
      const packages = of('Launch Package Management Process in Container');
      const shell = of('Terminal shell in container');
      if (grave !== undefined) await store.triage([grave.id], { action: 'assign', assignee: 'ana' }, 'ana');
      if (packages !== undefined) {
        await store.triage([packages.id], { action: 'resolve' }, 'ben');
        await store.ingest([readAlert(packages.sample.replace('"uuid"', '"was"'))]);
      }
      if (shell !== undefined) await store.triage([shell.id], { action: 'acknowledge' }, 'ben');
      await store.write((writer) =>
        writer.run(
          'INSERT INTO searches(name, url, who, created) VALUES(?,?,?,?)',
          'Shop, graver than Notice',
          '/?q=namespace%20%3D%20shop%20and%20priority%20in%20(Emergency%2C%20Critical%2C%20Error%2C%20Warning)',
          'ana',
          Date.now(),
        ),
      );
    },
    /** New alerts, now. */
    more: async (store: Store, n = 60): Promise<void> => {
      const pick = new Random(Date.now());
      await store.ingest(
        readAlerts(Array.from({ length: n }, () => makeAlert(pick, Date.now() / 1000).text).join('\n')),
      );
    },
  };
}
