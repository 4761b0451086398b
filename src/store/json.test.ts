import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elementTexts, memberText, parseLossless } from './json.ts';

/** Any JSON, written with blanks where JSON allows them. */
const spaced = fc
  .tuple(fc.jsonValue(), fc.constantFrom('', ' ', '\n\t'))
  .map(([value, blank]) => JSON.stringify(value, null, blank === '' ? undefined : 1).replaceAll('\n', `\n${blank}`));

describe('JSON without loss', () => {
  it('keeps integers that a double cannot hold', () => {
    expect(
      parseLossless('{"a":1767366245123456789,"b":[-9223372036854775808],"c":12,"d":1e400,"e":0.1234567890123456789}'),
    ).toEqual({
      a: 1767366245123456789n,
      b: [-9223372036854775808n],
      c: 12,
      d: Infinity,
      e: 0.12345678901234568,
    });
    expect(() => parseLossless('{"a":01767366245123456789}')).toThrow(SyntaxError);
  });

  it('finds the text of each element of an array', () => {
    fc.assert(
      fc.property(fc.array(spaced), (texts) => {
        const array = ` [ ${texts.join(' ,\n ')} ] `;
        const found = elementTexts(array);
        expect(found.map((text) => JSON.parse(text) as unknown)).toEqual(
          texts.map((text) => JSON.parse(text) as unknown),
        );
        expect(found).toEqual(texts.map((text) => text.trim()));
      }),
    );
  });

  it('finds the text of a member, whatever its neighbours hold', () => {
    fc.assert(
      fc.property(spaced, spaced, fc.string(), (value, other, key) => {
        fc.pre(key !== 'event');
        const text = `{ ${JSON.stringify(key)} : ${other} , "event" :\n${value} }`;
        expect(memberText(text, 'event')).toBe(value.trim());
        expect(memberText(text, 'nothing here')).toBe(key === 'nothing here' ? other.trim() : undefined);
      }),
    );
  });
});
