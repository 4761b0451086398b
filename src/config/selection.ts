import type { Config } from './schema.ts';

export interface RuleSelection {
  readonly name: string;
  readonly tags: readonly string[];
  readonly enabled: boolean;
}

/**
 * Applies the `rules:` list in order (each entry enables or disables by name pattern or by tag) on top of what
 * the rules say of themselves; returns the names of the rules that are on.
 */
export function enabledRules(rules: readonly RuleSelection[], selectors: Config['rules']): Set<string> {
  const on = new Set(rules.filter((rule) => rule.enabled).map((rule) => rule.name));
  for (const entry of selectors) {
    for (const [selector, enable] of [
      [entry.enable, true],
      [entry.disable, false],
    ] as const) {
      if (selector === undefined) continue;
      const pattern = selector.rule === undefined ? null : wildcard(selector.rule);
      for (const rule of rules) {
        if (pattern?.test(rule.name) || (selector.tag !== undefined && rule.tags.includes(selector.tag))) {
          if (enable) on.add(rule.name);
          else on.delete(rule.name);
        }
      }
    }
  }
  return on;
}

/** `*` stands for any text; everything else for itself. */
function wildcard(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
