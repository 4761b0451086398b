import { signal } from '@preact/signals';
import type { Role, Session } from '../../src/server/api.ts';

/** undefined until it is known. */
export const session = signal<Session | null | undefined>(undefined);

const RANK: Record<Role, number> = { viewer: 0, analyst: 1, admin: 2 };

/** Whether who is logged in has this role or a better one. */
export function may(role: Role): boolean {
  return RANK[session.value?.role ?? 'viewer'] >= RANK[role];
}
