import type { AlertJson } from '../../src/server/api.ts';
import { text } from './format.ts';

/** A process of an alert's lineage, as far as the alert's fields tell. */
export interface Process {
  readonly name: string;
  readonly pid: string;
  readonly exe: string;
  readonly cmdline: string;
}

/** The name of a program where the alert does not carry it: from its path, or from how it was called. */
export function programOf(exe: string, cmdline: string): string {
  return (exe || cmdline.split(' ')[0] || '').replace(/^.*\//, '');
}

/** From the eldest known ancestor to the process that raised the alert. */
export function lineageOf(alert: AlertJson): Process[] {
  const fields = alert.output_fields ?? {};
  const get = (name: string) => text(fields[name]);
  const out: Process[] = [];
  for (let i = 8; i >= 2; i--) {
    const name = get(`proc.aname[${i}]`) || get(`proc.aexe[${i}]`);
    if (name !== '') {
      out.push({
        name,
        pid: get(`proc.apid[${i}]`),
        exe: get(`proc.aexepath[${i}]`),
        cmdline: get(`proc.acmdline[${i}]`),
      });
    }
  }
  const parent = get('proc.pname') || get('proc.aname[1]') || programOf(get('proc.pexepath'), get('proc.pcmdline'));
  if (parent !== '') {
    out.push({
      name: parent,
      pid: get('proc.ppid') || get('proc.apid[1]'),
      exe: get('proc.pexepath') || get('proc.aexepath[1]'),
      cmdline: get('proc.pcmdline') || get('proc.acmdline[1]'),
    });
  }
  const name = get('proc.name') || programOf(get('proc.exepath'), get('proc.cmdline'));
  if (name !== '') out.push({ name, pid: get('proc.pid'), exe: get('proc.exepath'), cmdline: get('proc.cmdline') });
  return out;
}

/** A field of an alert that says who did it, for the facts beside the tree. */
export const WHO: readonly (readonly [label: string, fields: readonly string[]])[] = [
  ['User', ['user.name', 'ka.user.name']],
  ['User id', ['user.uid']],
  ['Login user', ['user.loginname', 'user.loginuid']],
  ['Groups', ['ka.user.groups', 'group.name']],
  ['Working directory', ['proc.cwd']],
  ['Terminal', ['proc.tty']],
  ['Container', ['container.name']],
  ['Container id', ['container.id']],
  ['Image', ['container.image.repository', 'container.image']],
  ['Image tag', ['container.image.tag']],
  ['Image digest', ['container.image.digest']],
  ['Namespace', ['k8s.ns.name', 'ka.target.namespace']],
  ['Pod', ['k8s.pod.name']],
  ['Verb', ['ka.verb']],
  ['Resource', ['ka.target.resource']],
  ['Response', ['ka.response.code']],
];
