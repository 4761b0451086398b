import { type Alert, textOf } from '../../forward/alert.ts';

const MASK = (1n << 128n) - 1n;
const PRIME = 0x0000000001000000000000000000013bn;
const OFFSET = 0x6c62272e07bb014262b821756295c58dn;

/** FNV-1a, 128 bits, as 32 hexadecimal digits. */
export function fnv128a(text: string): string {
  let hash = OFFSET;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * PRIME) & MASK;
  return hash.toString(16).padStart(32, '0');
}

/**
 * What happened in one place is one trace: the pod, else the container, else the host (Falcosidekick's choice), else,
 * where it knows none, the object of the Kubernetes audit event.
 */
export function traceIdOf(alert: Alert): string {
  const field = (name: string) => textOf(alert.fields[name]);
  const [namespace, pod] = [field('k8s.ns.name'), field('k8s.pod.name')];
  if (namespace !== '' && pod !== '') return fnv128a(`${namespace}:${pod}`);
  const container = field('container.id');
  if (container !== '' && container !== 'host') return fnv128a(container);
  const host = field('evt.hostname') || alert.hostname;
  if (host !== '') return fnv128a(host);
  const target = ['ka.target.namespace', 'ka.target.resource', 'ka.target.name']
    .map(field)
    .filter((part) => part !== '');
  return fnv128a(target.join(':') || alert.source);
}

/** 16 hexadecimal digits that belong to this alert: a repetition is the same span. */
export function spanIdOf(alert: Alert): string {
  return alert.uuid.replaceAll('-', '').slice(16);
}
