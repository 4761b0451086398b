import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fingerprint, mask, messageOf, microseconds, ownerOfPod, readAlert, readAlerts, titleOf } from './alert.ts';
import { dictionaryOf, pack, unpack } from './body.ts';
import { fieldTerm, termsOf, words } from './terms.ts';

describe('reading an alert', () => {
  it('takes the microseconds out of a time, wherever it was written', () => {
    expect(microseconds('2026-11-24T04:29:13.163774830Z')).toBe(Date.UTC(2026, 10, 24, 4, 29, 13) * 1000 + 163_774);
    expect(microseconds('2026-11-24T06:29:13.5+02:00')).toBe(Date.UTC(2026, 10, 24, 4, 29, 13) * 1000 + 500_000);
    expect(microseconds('2026-11-24T04:29:13Z')).toBe(Date.UTC(2026, 10, 24, 4, 29, 13) * 1000);
    expect(microseconds('24.11.2026')).toBeNull();
  });

  it('drops what Falco writes in front of the message, and the fields behind it', () => {
    const output = '04:29:13.163774830: Notice A shell ran | user=root';
    expect(messageOf(output)).toBe('A shell ran | user=root');
    expect(titleOf(output)).toBe('A shell ran');
    expect(titleOf('A shell ran (user=root)')).toBe('A shell ran');
  });

  it('knows the wrapper that a forwarder posts by its event, not by an alert that has such a field', () => {
    const alert = '{"rule":"r","priority":"debug","event":{"rule":"inner","priority":"debug"}}';
    expect(readAlerts(alert)[0]?.text).toBe(alert);
    expect(readAlerts(`{"outputs":[],"event":${alert}}`)[0]?.text).toBe(alert);
  });
});

describe('grouping', () => {
  it('masks what a machine made up, and nothing else', () => {
    for (const [name, masked] of [
      ['worker17', 'worker#'],
      ['6f1c2f0a-4b8e-4b57-9f0e-0d6a1b2c3d4e', '#'],
      ['runc-3fa9c1d07b22e1', 'runc-#'],
      ['tmp.Xq7bc9dz', 'tmp#'],
      ['bash', 'bash'],
      ['k8s', 'k#s'],
      ['containerd-shim', 'containerd-shim'],
    ]) {
      expect(mask(name as string)).toBe(masked);
    }
  });

  it('finds the owner of a pod', () => {
    expect(ownerOfPod('checkout-6d4cf56db6-x8k2p')).toBe('checkout');
    expect(ownerOfPod('node-exporter-t6b9d')).toBe('node-exporter');
    expect(ownerOfPod('postgres-0')).toBe('postgres');
    expect(ownerOfPod('plain-name')).toBe('plain-name');
  });

  it('tells alerts apart by rule, image, program and parent, not by host or arguments', () => {
    const print = (change: object, top: object = {}) =>
      fingerprint(
        readAlert(
          JSON.stringify({
            rule: 'r',
            priority: 'Debug',
            ...top,
            output_fields: { 'proc.name': 'cat', 'proc.pname': 'sh', ...change },
          }),
        ).alert,
      );
    const one = print({});
    expect(print({ 'proc.cmdline': 'cat x' }, { hostname: 'other' })).toBe(one);
    expect(print({ 'proc.name': 'less' })).not.toBe(one);
    expect(print({ 'proc.pname': 'ssh' })).not.toBe(one);
    expect(print({ 'container.image.repository': 'r/i' })).not.toBe(one);
    expect(print({}, { rule: 'q' })).not.toBe(one);
  });
});

describe('an alert at rest', () => {
  it('comes back as it was, whatever it is compressed against', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 3000 }),
        fc.string({ unit: 'binary', maxLength: 3000 }),
        (text, other) => {
          fc.pre(text.isWellFormed() && other.isWellFormed());
          const dictionary = dictionaryOf(other);
          expect(unpack(pack(text, dictionary), dictionary)).toBe(text);
        },
      ),
    );
    const long = 'x'.repeat(1_000_000) + Math.random();
    expect(unpack(pack(long, dictionaryOf(long)), dictionaryOf(long))).toBe(long);
  });

  it('is small when it says the same as the first of its kind', () => {
    const alert = (n: number) =>
      JSON.stringify({
        output: `A shell was started by ${n}`,
        rule: 'Shell',
        tags: ['a', 'b'],
        n,
        fields: { name: 'bash', user: 'root' },
      });
    expect(pack(alert(123456), dictionaryOf(alert(1))).length).toBeLessThan(30);
  });

  it('is found by its words in any script, and by its fields', () => {
    expect(words('Résumé: /etc/shadow_1 привет 漢字 x')).toEqual(['résumé', 'etc', 'shadow_1', 'привет', '漢字', 'x']);
    const { alert } = readAlert(
      '{"rule":"r","priority":"Debug","output":"read é","output_fields":{"proc.name":"cat","evt.time":1,"a.list":["x","y"]}}',
    );
    expect(termsOf(alert).sort()).toEqual(
      ['read', 'é', fieldTerm('proc.name', 'cat'), fieldTerm('a.list', 'x'), fieldTerm('a.list', 'y')].sort(),
    );
  });
});
