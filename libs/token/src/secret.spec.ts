import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { findSecrets, mint, parse, redactSecrets, Secret, secretPattern } from './index.js';

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const environment = fc.stringMatching(/^[a-z0-9]{1,16}$/);
const secret = fc.tuple(environment, bytes32).map(([env, random]) => mint(env, random).reveal());

// Computed independently with Python's int, zlib.crc32 and hashlib; frozen: issued secrets must parse for ever.
const vectors = [
  ['dev', new Uint8Array(32), 'writ_dev_00000000000000000000000000000000000000000003GzJZl'],
  ['prod', Uint8Array.from({ length: 32 }, (_, i) => i), 'writ_prod_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1VWNdN'],
  ['stage1', new Uint8Array(32).fill(255), 'writ_stage1_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp128RSZK'],
] as const;

describe('mint and parse', () => {
  it.each(vectors)('keeps the frozen form of %s', (env, random, text) => {
    expect(mint(env, random).reveal()).toBe(text);
    expect(parse(text)).toEqual({ ok: true, environment: env });
  });

  it('parses everything it mints, for every environment and randomness', () => {
    fc.assert(fc.property(environment, bytes32, (env, random) => {
      const text = mint(env, random).reveal();
      expect(text).toHaveLength(55 + env.length);
      expect(parse(text)).toEqual({ ok: true, environment: env });
    }));
  });

  it('writes the random bytes as one number, so that distinct bytes give distinct secrets', () => {
    fc.assert(fc.property(bytes32, (random) => {
      const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
      const body = mint('dev', random).reveal().slice(9, 52);
      const value = [...body].reduce((sum, char) => sum * 62n + BigInt(digits.indexOf(char)), 0n);
      expect(value).toBe(BigInt(`0x${Buffer.from(random).toString('hex')}`));
    }));
  });

  it('refuses to mint from too little randomness or for an impossible environment', () => {
    expect(() => mint('dev', randomBytes(31))).toThrow(RangeError);
    for (const env of ['', 'Prod', 'a_b', 'a'.repeat(17), 'dev\n']) expect(() => mint(env, randomBytes(32))).toThrow(RangeError);
  });

  it('notices any one changed character', () => {
    fc.assert(fc.property(secret, fc.nat(), fc.constantFrom(...'09AZaz_- \n\0é😀'), (text, at, char) => {
      const index = at % text.length;
      const changed = text.slice(0, index) + char + text.slice(index + 1);
      expect(parse(changed).ok).toBe(changed === text);
    }), { numRuns: 2000 });
  });

  it('takes anything without throwing and accepts only what mint can make', () => {
    fc.assert(fc.property(fc.oneof(fc.anything(), fc.string({ unit: 'binary', maxLength: 80 }), fc.string().map((s) => `writ_dev_${s}`)), (text) => {
      expect(parse(text).ok).toBe(false);
    }));
  });

  it.each([
    ['not-a-string', undefined],
    ['wrong-length', ''],
    ['wrong-length', 'writ_dev_0'],
    ['wrong-length', `${vectors[0][2]}${vectors[0][2]}`],
    ['wrong-length', 'writ_dev_'.padEnd(1_000_000, 'A')],
    ['wrong-prefix', vectors[0][2].replace('writ_', 'wrif_')],
    ['wrong-environment', vectors[0][2].replace('_dev_', '_Dev_')],
    ['wrong-environment', vectors[0][2].replace('_dev_', '_de__')],
    ['wrong-environment', `writ_${'a'.repeat(17)}_${vectors[0][2].slice(9)}`.slice(0, 71)],
    ['wrong-alphabet', vectors[0][2].replace('3Gz', '3é-')],
    ['wrong-checksum', vectors[0][2].replace('3GzJZl', '3GzJZm')],
    ['wrong-checksum', vectors[0][2].replace('3GzJZl', 'zzzzzz')],
    ['wrong-checksum', vectors[0][2].replace('_dev_', '_prd_')],
  ])('says %s', (reason, text) => {
    expect(parse(text)).toEqual({ ok: false, reason });
  });
});

describe('G3: a secret is not shown by accident', () => {
  it('hides behind every implicit conversion', () => {
    fc.assert(fc.property(secret, (text) => {
      const held = new Secret(text);
      const shown = [`${held}`, String(held), '' + (held as unknown as string), JSON.stringify({ held }), inspect({ held }, { showHidden: true, depth: 9 }), Object.values(held).join(), new Error(String(held)).stack!];
      for (const one of shown) expect(one).not.toContain(text.slice(9));
      expect(held.reveal()).toBe(text);
    }));
  });

  it('is redacted from any text, whole, doubled or truncated', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), secret, fc.integer({ min: 24, max: 71 }), fc.string(), (before, text, length, after) => {
      const cut = text.slice(0, length);
      const clean = redactSecrets(`${before}${cut}${after} ${text}${text}`);
      expect(clean).not.toContain(text.slice(-20));
      if (length >= text.indexOf('_', 5) + 9) expect(clean).not.toContain(cut);
      expect(redactSecrets(clean)).toBe(clean);
    }));
  });

  it('leaves a text without secrets as it is', () => {
    expect(redactSecrets('writ_dev_ is the prefix of tok_123')).toBe('writ_dev_ is the prefix of tok_123');
  });

  it('takes time linear in hostile text', () => {
    const hostile = 'writ_a'.repeat(200_000);
    const started = performance.now();
    redactSecrets(hostile);
    expect([...findSecrets(hostile)]).toEqual([]);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('findSecrets', () => {
  it('finds every real secret and no look-alike', () => {
    const [real, other] = [mint('dev', randomBytes(32)).reveal(), mint('prod', randomBytes(32)).reveal()];
    const text = `key=${real}; doc=writ_dev_${'A'.repeat(49)} "${other}${other}"`;
    expect([...findSecrets(text)].map(({ index, secret: found }) => [index, found.reveal()])).toEqual([
      [4, real], [text.indexOf(other), other], [text.indexOf(other) + other.length, other],
    ]);
    expect(secretPattern.test(real)).toBe(true);
  });
});
