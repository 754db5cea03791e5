import fc from 'fast-check';
import { keyFor, nameOf, newSecret, seal, unseal } from './sealing.js';

describe('what the console seals', () => {
  const consoleKey = Buffer.alloc(32, 7);

  it('opens with the key, the purpose and the session it was sealed for, and with nothing else', () => {
    const id = newSecret();
    const sealed = seal(keyFor('session', consoleKey, id), { accessToken: 'a' });
    expect(unseal(keyFor('session', consoleKey, id), sealed)).toEqual({ accessToken: 'a' });
    for (const other of [keyFor('session', consoleKey, newSecret()), keyFor('sign-in', consoleKey, id), keyFor('csrf', consoleKey, id), keyFor('session', Buffer.alloc(32, 8), id)]) expect(unseal(other, sealed)).toBeUndefined();
  });

  it('is refused with any one bit changed, cut short or made up', () => {
    const key = keyFor('sign-in', consoleKey);
    const bytes = Buffer.from(seal(key, 'text'), 'base64url');
    for (let i = 0; i < bytes.length * 8; i++) {
      const changed = Buffer.from(bytes);
      changed[i >> 3]! ^= 1 << (i & 7);
      expect(unseal(key, changed.toString('base64url'))).toBeUndefined();
    }
    for (const wrong of ['', 'x', bytes.subarray(0, -1).toString('base64url'), bytes.subarray(0, 28).toString('base64url')]) expect(unseal(key, wrong)).toBeUndefined();
  });

  it('comes back as it was, for every value, and no other text is an accident', () => {
    const key = keyFor('sign-in', consoleKey);
    fc.assert(fc.property(fc.jsonValue(), (value) => expect(unseal(key, seal(key, value))).toEqual(JSON.parse(JSON.stringify(value)))));
    fc.assert(fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes).toString('base64url'))), (text) => expect(unseal(key, text)).toBeUndefined()));
  });

  it('never looks the same twice, and its name does not tell the id', () => {
    const key = keyFor('sign-in', consoleKey);
    expect(seal(key, 'text')).not.toBe(seal(key, 'text'));
    const id = newSecret();
    expect(Buffer.from(id, 'base64url')).toHaveLength(32);
    expect(nameOf(id)).not.toContain(id);
  });
});
