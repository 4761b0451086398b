import type { ContainerInfo } from '../state/index.ts';

/** A container engine that can be asked about its containers. */
export interface ContainerEngine {
  /** `docker`, `podman`, `cri`, `containerd`: its name in the configuration. */
  readonly kind: string;
  readonly socket: string;
  /**
   * What it knows of a container by its full id; null when it does not know it. Rejects when it cannot be asked.
   * An engine that is busy with the container says what it can; the rest comes to `more`.
   */
  inspect(id: string, more: (info: ContainerInfo) => void): Promise<ContainerInfo | null>;
  /** Full ids of the running containers. */
  list(): Promise<string[]>;
  /** Tells of containers that come and go; rejects (or resolves) once it cannot any more. */
  watch(observer: EngineObserver): Promise<void>;
  close(): void;
}

export interface EngineObserver {
  /** A container was made or started. */
  appeared(id: string): void;
  /** A container was removed. */
  vanished(id: string): void;
}

/** What every engine answers within, or counts as unreachable. */
export const ANSWER_MS = 5000;

export type Labels = Readonly<Record<string, string>>;

/** Labels whose value is not longer than that (`label_max_len`). */
export function boundedLabels(labels: Labels, maxLength: number): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value.length <= maxLength));
}

/** Engines use ids of 64 hexadecimal digits, of which fields show the first 12. */
export function shortId(id: string): string {
  return /^[0-9a-f]{64}$/.test(id) ? id.slice(0, 12) : id;
}

/** A time as RFC 3339 in nanoseconds since the epoch; 0n for none (and for Go's year 1). */
export function timestamp(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(.*)$/.exec(text);
  const seconds = match === null ? Number.NaN : Date.parse(`${match[1]}${match[3]}`);
  if (match === null || !(seconds > 0)) return 0n;
  return BigInt(seconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
