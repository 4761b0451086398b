import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fieldCatalogue } from '../fields/index.ts';
import { loadRules } from '../rules/index.ts';
import { trustingExceptions } from './rule-lint.ts';

function warnings(condition: string): string[] {
  const text = `- {rule: r, desc: d, output: o, priority: INFO, condition: '${condition}'}\n`;
  const { ruleSet } = loadRules([{ name: 'r.yaml', text }], fieldCatalogue());
  return (ruleSet?.rules ?? [])
    .flatMap(trustingExceptions)
    .map(({ message }) => /by (.*) alone/.exec(message)?.[1] ?? '');
}

const READ = 'evt.type = openat and fd.name = /etc/shadow';

test('exceptions that a renamed program satisfies are named', () => {
  expect(warnings(`${READ} and not proc.name = sshd`)).toEqual(['proc.name']);
  expect(warnings(`${READ} and not (proc.name = sh and proc.pname in (cron, atd))`)).toEqual([
    'proc.name and proc.pname',
  ]);
  expect(warnings(`${READ} and not (proc.exepath = /a or proc.cmdline contains x)`)).toEqual(['proc.cmdline']);
});

test('exceptions that rest on a file, and names that pick the events, are none of them', () => {
  expect(warnings(`${READ} and not proc.exepath = /usr/sbin/sshd`)).toEqual([]);
  expect(warnings(`${READ} and not (proc.name = sh and proc.aexepath = /usr/sbin/cron)`)).toEqual([]);
  expect(warnings('evt.type = execve and proc.name in (nc, nmap) and not proc.name = nmap')).toEqual([]);
  expect(warnings(`${READ} and not user.uid = 0`)).toEqual([]);
});

test('no exception of the rules that come with the program trusts a name', () => {
  const folder = new URL('../../rules/', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));
  const { ruleSet } = loadRules(
    files.sort().map((name) => ({ name, text: readFileSync(new URL(name, folder), 'utf8') })),
    fieldCatalogue(),
  );
  expect(ruleSet?.rules.length).toBeGreaterThan(100);
  expect(ruleSet?.rules.flatMap(trustingExceptions).map(({ message }) => message)).toEqual([]);
});
