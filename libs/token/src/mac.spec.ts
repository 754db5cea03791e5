import { createSecretKey, randomBytes } from 'node:crypto';
import fc from 'fast-check';
import {
  chainMac, chainStart, encodeFields, InMemoryKeys, innerDigest, innerDigestLatin1, macEquals, rowMac,
  UnknownKeyError, verifierOf, type Field, type KeyMaterial, type KeyPurpose, type RowFields, type StateEntry,
} from './index.js';

const row: RowFields = {
  tokenId: 'tok_1', verifier: Buffer.alloc(32, 2), ownerId: 'svc:billing', audience: 'orders', scopes: ['orders:read', 'orders:write'],
  expiresAtMs: 1_800_000_000_000, stateEpoch: 7, constraints: { cidr: '10.0.0.0/8' },
};
const entry: StateEntry = { seq: 1, kind: 'revoke', at: '2026-11-23T10:00:00.000Z', reasonCode: 'owner-asked', tokenId: 'tok_1' };

// Computed independently with Python's hashlib and hmac; frozen: stored rows and logs must verify for ever.
describe('frozen vectors', () => {
  it.each([
    ['writ_dev_00000000000000000000000000000000000000000003GzJZl', '1a43cebe1bdf9a9ec3ac519fc6026f8f21c4e08e523fed6f2bdca4c749abc410', '090ae70bb6273526bbbf200c1f1697c23a72e0c7acdb10c1737bd2104a81f71f'],
    ['writ_prod_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf1VWNdN', '3b4b7f7509b202a9fef98f8310a8625bc180073f8945044938cae96de192afe8', '299be09862e012c738ea45674da005ec16529b12085253b124541f685b008b81'],
  ])('digest and verifier of %s', (secret, digest, verifier) => {
    expect(innerDigest(secret).toString('hex')).toBe(digest);
    expect(Buffer.from(innerDigestLatin1(secret), 'latin1').toString('hex')).toBe(digest);
    expect(verifierOf(innerDigest(secret), Buffer.alloc(32, 1)).toString('hex')).toBe(verifier);
    expect(verifierOf(innerDigest(secret), createSecretKey(Buffer.alloc(32, 1))).toString('hex')).toBe(verifier);
  });

  it('row MAC and first link of the chain', () => {
    expect(rowMac(Buffer.alloc(32, 3), row).toString('hex')).toBe('5373e727aa1e90fd4bc4d3d48c9c2242087a4bd8b88dc8819dd99c9c4065fec3');
    expect(chainMac(Buffer.alloc(32, 4), chainStart, entry).toString('hex')).toBe('661f2114ecead3c6b1a77efa1ccced8dca4f2cfde6eef39350dfccfcdccdce63');
  });
});

describe('encodeFields', () => {
  const field: fc.Arbitrary<Field> = fc.oneof(
    fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), fc.uint8Array({ maxLength: 9 }), fc.array(fc.string({ unit: 'grapheme', maxLength: 4 }), { maxLength: 4 }), fc.constant(undefined),
  );

  it('gives two different lists of fields different bytes, for every pair', () => {
    const shape = (fields: readonly Field[]) => JSON.stringify(fields.map((f) => (f instanceof Uint8Array ? { bytes: [...f] } : f === undefined ? { absent: true } : Object.is(f, -0) ? 0 : f)));
    fc.assert(fc.property(fc.array(field), fc.array(field), (a, b) => {
      expect(encodeFields('d', a).equals(encodeFields('d', b))).toBe(shape(a) === shape(b));
    }));
  });

  it('keeps adjacent fields, absent and empty ones, and domains apart', () => {
    const codes = [['ab', 'c'], ['a', 'bc'], ['abc', undefined], ['abc', ''], ['abc'], [['ab', 'c']], [['a', 'bc']], ['1'], [1]].map((f) => encodeFields('d', f).toString('hex'));
    codes.push(encodeFields('e', ['abc']).toString('hex'));
    expect(new Set(codes).size).toBe(codes.length);
  });

  it('refuses what has no exact encoding', () => {
    for (const bad of [0.5, NaN, 2 ** 53, '\ud800', ['\udfff']]) expect(() => encodeFields('d', [bad])).toThrow(RangeError);
  });
});

describe('rowMac', () => {
  it('changes with every field', () => {
    const key = randomBytes(32);
    const edits: Partial<RowFields>[] = [
      { tokenId: 'tok_2' }, { verifier: Buffer.alloc(32, 9) }, { ownerId: 'svc:other' }, { audience: 'billing' }, { scopes: ['orders:admin', 'orders:read'] },
      { expiresAtMs: 1_800_000_000_001 }, { stateEpoch: 6 }, { constraints: {} }, { constraints: { cidr: '0.0.0.0/0' } },
    ];
    const macs = [row, ...edits.map((edit) => ({ ...row, ...edit }))].map((fields) => rowMac(key, fields).toString('hex'));
    expect(new Set(macs).size).toBe(macs.length);
  });

  it('treats scopes and constraints as sets', () => {
    const key = randomBytes(32);
    const shuffled = { ...row, scopes: ['orders:write', 'orders:read', 'orders:write'], constraints: { rate: '9', cidr: 'x' } };
    expect(macEquals(rowMac(key, shuffled), rowMac(key, { ...row, constraints: { cidr: 'x', rate: '9' } }))).toBe(true);
  });
});

describe('chainMac', () => {
  it('notices an edited, removed or reordered entry, for every log and place', () => {
    const key = createSecretKey(Buffer.alloc(32, 7));
    const head = (log: readonly StateEntry[]) => log.reduce((previous: Uint8Array, one) => chainMac(key, previous, one), chainStart);
    fc.assert(fc.property(fc.integer({ min: 2, max: 8 }), fc.nat(), (length, at) => {
      const log = Array.from({ length }, (_, i): StateEntry => ({ ...entry, seq: i + 1, tokenId: `tok_${i}` }));
      const i = at % (length - 1);
      const swapped = log.with(i, log[i + 1]!).with(i + 1, log[i]!);
      const damaged = [log.toSpliced(i, 1), swapped, log.slice(0, -1), log.with(i, { ...log[i]!, kind: 'resume' }), log.with(i, { ...log[i]!, generation: 1 })];
      for (const other of damaged) expect(macEquals(head(other), head(log))).toBe(false);
    }));
  });
});

describe('InMemoryKeys', () => {
  const one = (purpose: KeyPurpose): KeyMaterial => ({ current: { kid: `${purpose}-1`, key: randomBytes(32) } });
  const material = (over: Partial<Record<KeyPurpose, KeyMaterial>> = {}): Record<KeyPurpose, KeyMaterial> =>
    ({ pepper: one('pepper'), row: one('row'), state: one('state'), memo: one('memo'), ...over });

  it('finds a verifier made under a retired pepper', async () => {
    const old = { kid: 'p1', key: randomBytes(32) };
    const keys = new InMemoryKeys(material({ pepper: { current: { kid: 'p2', key: randomBytes(32) }, retired: [old] } }));
    const digest = innerDigest('any');
    expect(keys.peppers()).toEqual({ current: 'p2', retired: ['p1'] });
    expect(await keys.mac('pepper', digest, 'p1')).toEqual(verifierOf(digest, old.key));
    expect(keys.macSync('pepper', digest)).toEqual(await keys.mac('pepper', digest, 'p2'));
  });

  it('names the missing key and the remedy', async () => {
    const keys = new InMemoryKeys(material());
    await expect(keys.mac('row', Buffer.alloc(1), 'row-9')).rejects.toThrow(UnknownKeyError);
    expect(() => keys.macSync('row', Buffer.alloc(1), 'row-9')).toThrow('add it to the key ring');
  });

  it('refuses short keys, a kid given twice and one key for two purposes', () => {
    const key = randomBytes(32);
    expect(() => new InMemoryKeys(material({ row: { current: { kid: 'a', key: randomBytes(31) } } }))).toThrow('32 to 64');
    expect(() => new InMemoryKeys(material({ row: { current: { kid: 'a', key }, retired: [{ kid: 'a', key: randomBytes(32) }] } }))).toThrow('there twice');
    expect(() => new InMemoryKeys(material({ row: { current: { kid: 'a', key } }, memo: { current: { kid: 'b', key } } }))).toThrow('one purpose');
  });

  it('shows no key material when inspected', () => {
    const key = Buffer.from('canary-canary-canary-canary-cana');
    const keys = new InMemoryKeys(material({ row: { current: { kid: 'a', key } } }));
    expect(JSON.stringify(keys)).not.toContain('canary');
  });
});
