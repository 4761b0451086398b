/**
 * Runs in a guest: the program itself with its rules over acts that the machine of the tests cannot have done, because they
 * change its kernel or its kernel does not know them. One line of JSON: the alerts, and the recording in base64.
 */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** `/acts` is the program of test/evasions. A busybox that is not the machine's own loads the module (by finit_module). */
const ACTS = [
  'cp /bin/busybox /tmp/busybox-other; /tmp/busybox-other insmod /module.ko; echo module $? >>/tmp/told',
  'cp /acts /tmp/A08-program',
  ...['A04', 'A06', 'A07', 'A08'].map(
    (row) => `cp /acts /tmp/${row}; /tmp/${row} ${row} /tmp/A08-program; echo ${row} $? >>/tmp/told`,
  ),
];

const RECORDING = '/tmp/guest.scap';
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [
    ...['--no-warnings', 'bin/main.js', 'run', '--format', 'json', '--record', RECORDING],
    ...['-o', 'rule_matching=all', '-o', 'append_output=[]', '-o', 'rules=[{enable: {rule: "*"}}]', '-r', 'rules'],
    ...['--', '/bin/busybox', 'sh', '-c', `(${ACTS.join('; ')}) >/dev/null`],
  ],
  { encoding: 'utf8', env: { ...process.env, WINDHOVER_REQUIRE_SCOPE: '1' } },
);
console.log(
  JSON.stringify({
    status,
    stderr,
    alerts: stdout.split('\n').filter((line) => line.startsWith('{')),
    told: Object.fromEntries(
      readFileSync('/tmp/told', 'utf8')
        .trim()
        .split('\n')
        .map((line) => line.split(' ')),
    ),
    modules: readFileSync('/proc/modules', 'utf8'),
    recording: readFileSync(RECORDING).toString('base64'),
  }),
);
