import { expect, test } from 'vitest';
import { fieldCatalogue } from '../fields/index.ts';
import { loadRules } from '../rules/index.ts';
import { readTests, report, runTests } from './index.ts';

const RULES = `
- rule: Reads secrets
  desc: a file with secrets was read
  condition: evt.type = openat and evt.is_open_read = true and fd.name startswith /etc/secret and not proc.exepath = /usr/bin/keeper
  output: read %fd.name
  priority: WARNING
- rule: Talks to port 666
  desc: a connection
  condition: evt.type = connect and fd.sport = 666 and container.image.repository = web
  output: connected %fd.name
  priority: WARNING
- rule: Pods made
  desc: a pod was made
  condition: ka.verb = create and ka.target.resource = pods
  output: pod %ka.target.name
  priority: WARNING
  source: k8s_audit
`;

const TESTS = `
- rule: Reads secrets
  fires:
    - process: cat /etc/secret/a
      event: read /etc/secret/a
      fields: {fd.name: /etc/secret/a, proc.name: cat, proc.exepath: /usr/bin/cat}
    - title: in a container, below other programs
      process: {cmd: /bin/sh -c 'cat x', user: www-data}
      parents: [nginx, {cmd: tini -- nginx, vpid: 1}]
      container: {image: web, privileged: true}
      events: [read /etc/other, read /etc/secret/b]
      fields: {user.name: www-data, proc.args: -c cat x, 'proc.aname[2]': tini, container.privileged: true}
  silent:
    - process: keeper
      event: read /etc/secret/a
    - process: cat
      event: write /etc/secret/a
- rule: Talks to port 666
  fires:
    - {process: curl, container: web, event: 'connect 192.0.2.1:666', fields: {fd.sip: 192.0.2.1, fd.type: ipv4}}
  silent:
    - {process: curl, container: db, event: 'connect 192.0.2.1:666'}
    - {process: curl, container: web, event: 'connect 192.0.2.1:667/udp'}
- rule: Pods made
  fires:
    - {event: {audit: {verb: create, resource: pods, name: p}}, fields: {ka.target.name: p}}
  silent:
    - {event: {audit: {verb: get, resource: secrets, name: p}}}
`;

const catalogue = fieldCatalogue();
const explain = () => 'term by term\n';

async function run(rules: string, tests: string) {
  const { ruleSet, files } = loadRules([{ name: 'rules.yaml', text: rules }], catalogue);
  expect(files.flatMap((file) => file.errors)).toEqual([]);
  return runTests(readTests('tests.yaml', tests), { rules: ruleSet?.rules ?? [], catalogue, explain });
}

test('cases are played, and every term was true once and false once', async () => {
  const result = await run(RULES, TESTS);
  expect(result.cases.filter(({ passed }) => !passed).map(({ test: { title }, message }) => [title, message])).toEqual(
    [],
  );
  expect(result.cases).toHaveLength(9);
  expect(result.untested).toEqual([]);
  expect(result.uncovered).toEqual([]);
  expect(report(result, 'tap')).toMatch(/^TAP version 14\n1\.\.9\nok 1 - Reads secrets fires \(1\)\n/);
});

test('failures say what was expected, where the case stands, and why', async () => {
  const result = await run(
    RULES,
    `
- rule: Reads secrets
  fires:
    - {process: keeper, event: read /etc/secret/a}
    - {process: cat, event: read /etc/secret/a, fields: {fd.name: /etc/secret/b}}
  silent:
    - {process: cat, event: read /etc/secret/a}
`,
  );
  expect(result.cases.map(({ message, test: { line } }) => [line, message])).toEqual([
    [4, 'it was silent, and should fire'],
    [5, 'fd.name is /etc/secret/a, not /etc/secret/b'],
    [7, 'it fired, and should be silent'],
  ]);
  expect(result.untested).toHaveLength(4);
  const text = report(result, 'text');
  expect(text).toContain('tests.yaml:4\n');
  expect(text).toContain('term by term');
  expect(text).toContain('0 of 3 tests passed');
  const junit = report(result, 'junit');
  expect(junit).toContain('<testsuite name="tests.yaml" tests="3" failures="3"');
  expect(junit).toContain('<failure message="it fired, and should be silent">term by term');
});

test('what cannot be read is named with its line', async () => {
  const refused = (tests: string) => run(RULES, tests).catch((error: Error) => error.message);
  expect(await refused('- rule: Reads secrets\n  fires:\n    - {proces: cat}\n')).toBe(
    "tests.yaml:3: unknown key 'proces'",
  );
  expect(await refused('- rule: Nothing\n  fires:\n    - {process: cat}\n')).toBe(
    "tests.yaml:3: the rule 'Nothing' is not loaded",
  );
  expect(await refused('- rule: Reads secrets\n  fires:\n    - {event: {type: openat, nam: x}}\n')).toMatch(
    /^tests\.yaml:3: openat has no parameter 'nam': fd, dirfd, name/,
  );
  expect(
    await refused('- rule: Reads secrets\n  fires:\n    - {event: {type: openat, name: x, flags: O_READ}}\n'),
  ).toBe("tests.yaml:3: openat's flags has no flag 'O_READ'");
});
