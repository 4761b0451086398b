import { describe, expect, it } from 'vitest';
import { toByteString } from '../bytes.ts';
import { formatAddress, isIn, parseAddress, parseNetwork } from './address.ts';
import type { Modifier, Operator } from './ast.ts';
import type { FieldType, Value } from './catalogue.ts';
import { compileMatcher } from './operators.ts';
import { compilePathPrefixes } from './path-prefix.ts';
import { parseConstant } from './types.ts';

function holds(
  type: FieldType,
  value: Value,
  operator: Operator,
  constants: string[],
  options: { modifier?: Modifier; isList?: boolean } = {},
): boolean {
  const typed = constants.map((text) => parseConstant(type, text));
  return compileMatcher(operator, options.modifier ?? null, { type, isList: options.isList ?? false }, typed)(value);
}

describe('operators on texts', () => {
  it('compare bytes', () => {
    expect(holds('CHARBUF', 'a', '<', ['b'])).toBe(true);
    expect(holds('CHARBUF', toByteString('é'), '>', ['z'])).toBe(true);
    expect(holds('CHARBUF', 'abc', 'contains', ['b'])).toBe(true);
    expect(holds('CHARBUF', 'aBc', 'icontains', ['BC'])).toBe(true);
    expect(holds('CHARBUF', 'abc', 'startswith', [''])).toBe(true);
    expect(holds('CHARBUF', 'abc', 'endswith', ['bc'])).toBe(true);
    expect(holds('CHARBUF', 'abc', 'in', ['x', 'abc'])).toBe(true);
    expect(holds('CHARBUF', 'abc', 'in', [])).toBe(false);
    expect(holds('CHARBUF', 'a/b', 'glob', ['a*'])).toBe(true);
    expect(holds('CHARBUF', 'A', 'iglob', ['[a-c]'])).toBe(true);
    expect(holds('CHARBUF', 'xay', 'regex', ['a'])).toBe(false);
    expect(holds('CHARBUF', 'xay', 'regex', ['.a.'])).toBe(true);
  });

  it('know modifiers', () => {
    const match = (modifier: Modifier, constants: string[]) =>
      holds('CHARBUF', 'abc', 'contains', constants, { modifier });
    expect(match('anyof', ['x', 'a'])).toBe(true);
    expect(match('allof', ['a', 'x'])).toBe(false);
    expect(match('allof', ['a', 'b'])).toBe(true);
    expect(match('oneof', ['a', 'b'])).toBe(false);
    expect(match('oneof', ['a', 'x'])).toBe(true);
    expect((['anyof', 'allof', 'oneof'] as const).map((modifier) => match(modifier, []))).toEqual([
      false,
      false,
      false,
    ]);
    expect(holds('CHARBUF', 'b', '!=', ['a', 'b'], { modifier: 'allof' })).toBe(false);
  });

  it('search buffers for hexadecimal bytes', () => {
    expect(holds('BYTEBUF', 'a\0b', 'bcontains', ['0062'])).toBe(true);
    expect(holds('BYTEBUF', 'a\0b', 'bstartswith', ['61'])).toBe(true);
  });
});

describe('operators on numbers', () => {
  it('read constants as the type has them', () => {
    expect(holds('INT64', -1, '=', ['-1'])).toBe(true);
    expect(holds('UINT32', 4294967295, '=', ['-1'])).toBe(true);
    expect(holds('INT64', 255, '=', ['0xff'])).toBe(true);
    expect(holds('UINT64', 18446744073709551615n, '>', ['9007199254740993'])).toBe(true);
    expect(holds('UINT64', 5, '<', ['18446744073709551615'])).toBe(true);
    expect(holds('PORT', 443, '=', ['https'])).toBe(true);
    expect(holds('BOOL', true, '!=', ['false'])).toBe(true);
    expect(() => parseConstant('INT64', '1x')).toThrow('1x is not a valid number');
    expect(() => parseConstant('BOOL', 'yes')).toThrow('boolean');
    expect(() => parseConstant('PORT', 'nosuch')).toThrow('unrecognized protocol nosuch');
  });

  it('take the type of a dynamic field from its value', () => {
    expect(holds('DYN', 5, '>', ['4'])).toBe(true);
    expect(holds('DYN', '5', '>', ['4'])).toBe(true);
    expect(holds('DYN', 5, 'contains', ['5'])).toBe(false);
  });
});

describe('lists and either end of a connection', () => {
  it('in wants all of a list, intersects one', () => {
    expect(holds('CHARBUF', ['a', 'b'], 'in', ['a', 'b', 'c'], { isList: true })).toBe(true);
    expect(holds('CHARBUF', ['a', 'x'], 'in', ['a', 'b'], { isList: true })).toBe(false);
    expect(holds('CHARBUF', ['a', 'x'], 'intersects', ['a'], { isList: true })).toBe(true);
  });

  it('either end may satisfy a comparison, both must an inequality', () => {
    expect(holds('PORT', [1, 2], '=', ['2'])).toBe(true);
    expect(holds('PORT', [1, 2], '!=', ['2'])).toBe(false);
    expect(holds('PORT', [1, 2], '!=', ['3'])).toBe(true);
    const ends = ['10.0.0.1', '192.168.1.1'].map((text) => parseAddress(text) as string);
    expect(holds('IPNET', ends, 'in', ['192.168.0.0/16'])).toBe(true);
    expect(holds('IPNET', ends, '=', ['172.16.0.0/12'])).toBe(false);
  });
});

describe('addresses', () => {
  it('are read and written', () => {
    for (const text of ['0.0.0.0', '10.1.2.255', '::', '::1', 'fe80::1', '2001:db8:0:1::2', '1:2:3:4:5:6:7:8']) {
      expect(formatAddress(parseAddress(text) as string)).toBe(text);
    }
    expect(parseAddress('::ffff:1.2.3.4')).toBe(parseAddress('::ffff:102:304'));
    for (const text of ['', '1.2.3', '256.1.1.1', '1::2::3', '12345::', ':', '1:2:3:4:5:6:7:8:9', '::g']) {
      expect(parseAddress(text), text).toBeNull();
    }
  });

  it('belong to networks by their leading bits', () => {
    const within = (address: string, network: string) =>
      isIn(parseAddress(address) as string, parseNetwork(network) ?? expect.fail());
    expect(within('10.9.9.9', '10.0.0.0/8')).toBe(true);
    expect(within('10.0.0.129', '10.0.0.200/25')).toBe(true);
    expect(within('10.0.0.127', '10.0.0.200/25')).toBe(false);
    expect(within('1.2.3.4', '0.0.0.0/0')).toBe(true);
    expect(within('::1', '0.0.0.0/0')).toBe(false);
    expect(within('fd00::1', 'fd00::/8')).toBe(true);
    for (const text of ['10.0.0.0', '10.0.0.0/33', '::/129', '/8']) expect(parseNetwork(text), text).toBeNull();
  });
});

describe('pmatch', () => {
  it('matches whole components', () => {
    const prefixes = compilePathPrefixes(['/etc/ssh', '/opt/*/bin', 'rel']);
    expect(['/etc/ssh', '/etc//ssh/key', '/opt/x/bin/y', 'rel/z'].map(prefixes)).toEqual([true, true, true, true]);
    expect(['/etc/sshd', '/etc', '/opt/x', '/opt/x/y/bin'].map(prefixes)).toEqual([false, false, false, false]);
    expect(compilePathPrefixes(['/'])('/any')).toBe(true);
    expect(compilePathPrefixes([])('/any')).toBe(false);
  });
});
