import { parseDuration } from '../outputs/forward/index.ts';
import type { Step } from './action.ts';
import type { ResponseConfig } from './config.ts';
import type { ActionSpec } from './rules.ts';

/** `go`, wait for an approval, or no, with the reason. */
export type Verdict =
  | { readonly kind: 'go' }
  | { readonly kind: 'approval' }
  | { readonly kind: 'no'; readonly reason: string };

/** What keeps actions within bounds; the last word before anything is changed. */
export interface Guards {
  judge(action: ActionSpec, step: Step, approved: boolean): Verdict;
  /** Why nothing may be done to a target, whatever the action; null when it may. */
  protectionOf(step: Pick<Step, 'target' | 'namespace' | 'labels'>): string | null;
  /** An action was started, now or in an earlier run of the program. */
  count(actionner: string, target: string, at: number): void;
}

/** @param own namespace and pod that we ourselves run in; empty outside of a cluster */
export function createGuards(
  config: ResponseConfig['guards'],
  own: { readonly namespace: string; readonly pod: string },
  now: () => number,
): Guards {
  const interval = parseDuration(config.max_actions_interval);
  const cooldown = parseDuration(config.cooldown);
  const namespaces = new Set(config.protected_namespaces);
  const started = new Map<string, number[]>();
  const last = new Map<string, number>();

  function recent(actionner: string): number[] {
    const times = (started.get(actionner) ?? []).filter((time) => time > now() - interval);
    started.set(actionner, times);
    return times;
  }

  /** Our own pod, or what it belongs to: a workload's name is what its pods' names begin with. */
  function isOwn(target: string): boolean {
    const [, place] = target.split(' ');
    const prefix = `${own.namespace}/`;
    if (own.pod === '' || place === undefined || !place.startsWith(prefix)) return false;
    const name = place.slice(prefix.length);
    return own.pod === name || (!target.startsWith('pod ') && own.pod.startsWith(`${name}-`));
  }

  function protectionOf({ namespace, target, labels = {} }: Pick<Step, 'target' | 'namespace' | 'labels'>) {
    if (namespace !== undefined && namespaces.has(namespace)) return `namespace ${namespace} is protected`;
    if (isOwn(target)) return 'never itself';
    for (const [name, value] of Object.entries(config.protected_labels)) {
      if (labels[name] !== undefined && (value === '' || labels[name] === value))
        return `it is protected by its label ${name}`;
    }
    return null;
  }

  return {
    protectionOf,
    judge(action, step, approved) {
      const { actionner } = action;
      const { target, pods = 1 } = step;
      const protection = protectionOf(step);
      if (protection !== null) return no(protection);
      if (pods > config.max_pods) return no(`it would end ${pods} pods, and ${config.max_pods} is the limit`);
      const before = last.get(`${actionner} ${target}`);
      if (cooldown > 0 && before !== undefined && now() - before < cooldown)
        return no(`${actionner} was done to it less than ${config.cooldown} ago`);
      if (recent(actionner).length >= config.max_actions)
        return no(`${config.max_actions} times ${actionner} in ${config.max_actions_interval} is the limit`);
      if (!approved && (config.approval.includes(action.name) || config.approval.includes(actionner)))
        return { kind: 'approval' };
      return { kind: 'go' };
    },
    count(actionner, target, at) {
      if (at <= now() - Math.max(interval, cooldown)) return;
      const times = started.get(actionner) ?? [];
      times.push(at);
      started.set(actionner, times);
      last.set(`${actionner} ${target}`, Math.max(at, last.get(`${actionner} ${target}`) ?? 0));
      if (last.size > 10_000) last.delete(last.keys().next().value as string);
    },
  };
}

function no(reason: string): Verdict {
  return { kind: 'no', reason };
}
