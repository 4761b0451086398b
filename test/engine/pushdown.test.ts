import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deriveFilter, passes } from '../../src/engine/index.ts';
import { fieldCatalogue } from '../../src/fields/index.ts';
import { loadRules } from '../../src/rules/index.ts';
import { condition, judge, load, OPEN, stream } from './generated.ts';

/** Conditions that mostly leave the filter something to do, with anything at all added. */
const filterable = fc
  .tuple(
    fc.constantFrom(
      'fd.num >= 0 and fd.name startswith /etc/',
      'fd.num >= 0 and fd.directory in ("/tmp", "/etc")',
      'evt.is_open_write = true',
      'fd.num >= 0 and proc.name in (cat, sh)',
      'evt.rawres >= 0 and fd.nameraw contains "../"',
      'fd.num >= 0 and fd.name pmatch (/home, /usr/bin)',
    ),
    condition,
  )
  .map(([start, rest]) => `evt.type in (open, openat) and ${start} and (${rest})`);

describe('what the rules let the kernel leave out', () => {
  test('alerts are the same with and without the filter', () => {
    let filtered = 0;
    fc.assert(
      fc.property(fc.array(filterable, { minLength: 1, maxLength: 4 }), stream, (conditions, events) => {
        const rules = load(conditions);
        const { opens } = deriveFilter(rules);
        fc.pre(opens !== null);
        const drop = (event: Parameters<typeof OPEN.of>[0], state: Parameters<typeof OPEN.of>[1]): boolean => {
          const open = OPEN.of(event, state);
          if (open === null || passes(opens, open)) return false;
          filtered++;
          return true;
        };
        expect(judge(rules, events, drop)).toEqual(judge(rules, events, () => false));
      }),
      { numRuns: 40 },
    );
    expect(filtered).toBeGreaterThan(0);
  });

  const derive = (...conditions: string[]) => deriveFilter(load(conditions));

  test('a prefix, a flag, a name', () => {
    expect(
      derive(
        'evt.type = openat and evt.is_open_read = true and fd.name startswith /etc/',
        'evt.type = openat and evt.is_open_write = true and fd.directory = /bin',
        'evt.type = openat and fd.num >= 0 and proc.name = sshd and fd.name contains liblzma',
        'evt.type = openat and fd.num >= 0 and fd.name glob "/home/*/.ssh/*" and not fd.name startswith /home/a',
      ).opens,
    ).toEqual({ failed: true, prefixes: ['/etc/', '/home/'], comms: ['sshd'], dots: false });
  });

  test('what defeats it is told, with the terms', () => {
    expect(derive('evt.type = openat and fd.num >= 0 and fd.name endswith .pem').defeats).toEqual([
      { rule: 'r0', terms: ['fd.name endswith .pem'] },
    ]);
    expect(derive('evt.type = openat and not fd.name startswith /usr').opens).toBeNull();
    expect(derive('evt.type = fchdir and fd.name startswith /x').opens).not.toBeNull();
    expect(derive('evt.type = read and fd.name startswith /x').opens).toBeNull();
    expect(derive('evt.type = dup2 and fd.type = ipv4 and fd.name startswith x').opens).not.toBeNull();
  });

  test('an event that no rule reads is not asked for', () => {
    const { events } = derive('evt.type = unlink');
    expect(events).not.toContain(OPEN.code);
  });

  test('a rule whose output shows a file needs its open', () => {
    const text = '- rule: r\n  desc: d\n  condition: evt.type = lseek\n  output: "%fd.name"\n  priority: INFO\n';
    const { ruleSet } = loadRules([{ name: 'r.yaml', text }], fieldCatalogue());
    expect(deriveFilter(ruleSet?.rules ?? []).defeats).toEqual([{ rule: 'r', terms: ['lseek: fd.*'] }]);
  });
});
