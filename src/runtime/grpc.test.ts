import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encode, Message } from './grpc.ts';

test('what is encoded is read', () => {
  const inner = encode({ 1: 'key', 2: 'värde' });
  const message = new Message(encode({ 1: 'text', 2: 42, 3: true, 4: inner, 5: undefined, 17: 2 ** 40 }));
  expect(message.text(1)).toBe('text');
  expect(message.integer(2)).toBe(42n);
  expect(message.integer(3)).toBe(1n);
  expect(message.map(4)).toEqual({ key: 'värde' });
  expect(message.text(5)).toBe('');
  expect(message.integer(17)).toBe(2n ** 40n);
  expect(message.message(9).text(1)).toBe('');
});

test('repeated fields keep their order; the last counts where one is wanted', () => {
  const message = new Message(Buffer.concat([encode({ 1: 'a' }), encode({ 1: 'b' })]));
  expect(message.texts(1)).toEqual(['a', 'b']);
  expect(message.text(1)).toBe('b');
});

test('whatever a server sends is a message or an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        const message = new Message(bytes);
        message.map(1);
        message.texts(2);
        message.integer(3);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }),
  );
});
