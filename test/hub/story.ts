import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAlert, readAlerts, type Store } from '../../src/store/index.ts';
import { makeAlert, Random } from '../alerts/generate.ts';

/** Rules of the made-up alerts, so that the hub can explain them. */
const RULES = `- list: shells
  items: [bash, sh, dash, zsh]

- macro: spawned
  condition: evt.type in (execve, execveat)

- macro: container
  condition: container.id != host

- rule: Configuration secrets read
  desc: A program that has no business with them read files that hold credentials or say who may log in.
  condition: >
    evt.type in (open, openat, openat2, execve) and proc.name != sshd
    and (fd.name in (/etc/shadow, /etc/sudoers) or fd.name startswith /etc/pam.d/ or fd.name startswith /etc/security/)
    and not proc.pname in (systemd, cron)
  output: A program that is not trusted read a sensitive file | file=%fd.name process=%proc.name command=%proc.cmdline
  priority: WARNING
  tags: [T1555, container, filesystem, mitre_credential_access]

- rule: Execution from shared memory
  desc: Programs are not installed into /dev/shm; malware that wants to leave no trace on a disk is.
  condition: spawned and (proc.exepath startswith /dev/shm/ or proc.cwd startswith /dev/shm/) and not proc.pname in (systemd, cron)
  output: A program was executed from /dev/shm | process=%proc.name command=%proc.cmdline
  priority: CRITICAL
  tags: [T1059.004, container, host, mitre_execution]

- rule: Program replaced in a running container
  desc: A program that the image does not hold was executed, so it was brought in after the start.
  condition: spawned and container and proc.is_exe_upper_layer = true
  output: A program that is not part of the image was executed | process=%proc.name command=%proc.cmdline
  priority: CRITICAL
  tags: [T1611, container, mitre_defense_evasion]

- rule: Shell in a container with a terminal
  desc: Somebody sits in a container, which nobody has to.
  condition: spawned and container and proc.name in (shells) and proc.tty != 0
  output: A shell with a terminal was started in a container | process=%proc.name parent=%proc.pname
  priority: NOTICE
  tags: [T1059, container, mitre_execution, shell]

- rule: User management command
  desc: Users of a host come from its image or its directory; a command that makes one by hand is worth a look.
  condition: spawned and not container and proc.name in (useradd, usermod, userdel, groupadd)
  output: A user management command ran outside a container | process=%proc.name command=%proc.cmdline
  priority: NOTICE
  tags: [T1098, host, mitre_persistence, users]

- rule: Outbound connection to the API server
  desc: Few programs in containers have to talk to Kubernetes; the others may be looking around.
  condition: evt.type = connect and container and fd.sport in (443, 6443) and not proc.name in (kubelet, controller)
  output: A container connected to the Kubernetes API server | connection=%fd.name process=%proc.name
  priority: NOTICE
  tags: [T1613, container, mitre_discovery, network]

- rule: Package manager in a container
  desc: What a container runs comes in its image. Packages that are installed later were reviewed by nobody.
  condition: spawned and container and proc.name in (apt, apt-get, dpkg, yum, dnf, apk, pip, npm)
  output: A package manager ran in a container | process=%proc.name command=%proc.cmdline
  priority: ERROR
  tags: [T1505, container, mitre_persistence, software_mgmt]

- rule: Kernel module loaded
  desc: A module has every right of the kernel.
  condition: spawned and not container and proc.name in (insmod, modprobe)
  output: A kernel module was loaded | process=%proc.name command=%proc.cmdline
  priority: EMERGENCY
  tags: [T1547.006, host, mitre_privilege_escalation]
`;

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

/** What happened on a made-up fleet up to `now` (seconds since the epoch), for pictures and for flows. */
export function story(now: number, count = 9000) {
  const directory = mkdtempSync(join(tmpdir(), 'windhover-story-'));
  const rules = join(directory, 'fleet_rules.yaml');
  writeFileSync(rules, RULES);
  const lines = waves(now - 86_000, now - 60, count);
  return {
    alerts: lines.join('\n'),
    rules,
    grave: 'Execution from shared memory',
    edited: 'Execution from shared memory',
    /** What people and senders did since. */
    after: async (store: Store): Promise<void> => {
      const groups = [...store.groups()].sort((a, b) => b.count - a.count);
      const grave = groups.find((group) => group.rule === 'Execution from shared memory');
      const apt = groups.find((group) => group.rule === 'Package manager in a container');
      const shell = groups.find((group) => group.rule === 'Shell in a container with a terminal');
      if (grave !== undefined) {
        await store.triage([grave.id], { action: 'assign', assignee: 'ana' }, 'ana');
        await store.triage(
          [grave.id],
          { action: 'comment', text: 'Same binary as in last week’s incident. Isolating the pod.' },
          'ana',
        );
      }
      if (apt !== undefined) {
        await store.triage([apt.id], { action: 'resolve' }, 'ben');
        await store.ingest([readAlert(apt.sample.replace('"uuid"', '"was"'))]);
      }
      if (shell !== undefined) await store.triage([shell.id], { action: 'acknowledge' }, 'ben');
      const report = async (kind: string, name: string, body: object) => {
        await store.write((writer) =>
          writer.run(
            'INSERT INTO reports(kind, name, time, body) VALUES(?,?,?,?)',
            kind,
            name,
            Date.now() * 1000,
            JSON.stringify(body),
          ),
        );
      };
      for (const [i, host] of ['node-a1', 'node-a2', 'node-b1'].entries()) {
        await report('sensor', host, {
          version: '0.1.0',
          kernel: '6.12.9',
          events_per_second: 18400 + i * 5210,
          drops: i === 2 ? 12 : 0,
        });
      }
      await report('forwarder', 'forwarder-0', {
        destinations: [
          { name: 'slack', circuit: 'closed', depth: 0, error: null, since: null, dead: 0 },
          {
            name: 'elasticsearch',
            circuit: 'half-open',
            depth: 1240,
            error: '503 Service Unavailable',
            since: Date.now() - 95_000,
            dead: 2,
          },
          { name: 'pagerduty', circuit: 'closed', depth: 0, error: null, since: null, dead: 0 },
        ],
      });
      await store.sql.shrink();
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
