import fc from 'fast-check';
import { networkOf, UsageBook } from './usage-book.js';

describe('UsageBook', () => {
  const use = fc.record({
    tokenId: fc.constantFrom('tok_1', 'tok_2', 'tok_3'), code: fc.constantFrom('VALID', 'REVOKED'), scopes: fc.constantFrom(undefined, ['a'], ['a', 'b']),
    address: fc.constantFrom(undefined, '10.0.0.1', '10.0.1.1'), agent: fc.constantFrom(undefined, 'curl'), mark: fc.nat({ max: 40 }),
  });

  it('counts every use once, under any mark, and tells what it could not keep', () => {
    fc.assert(fc.property(fc.array(use), fc.integer({ min: 1, max: 40 }), (uses, limit) => {
      const book = new UsageBook(limit);
      for (const { mark, tokenId, code, scopes, address, agent } of uses) book.record(mark, tokenId, code, scopes, ['a'], address, agent, 0);
      const { records, lost } = book.take(() => '2026-01-01T00:00:00.000Z');
      expect(records.length).toBeLessThanOrEqual(limit);
      expect(records.reduce((sum, { count }) => sum + count, lost)).toBe(uses.length);
      const kinds = new Set(uses.map((one) => JSON.stringify({ ...one, mark: 0 })));
      if (limit >= kinds.size) expect([records.length, lost]).toEqual([kinds.size, 0]);
      expect(book.take(String)).toEqual({ records: [], lost: 0 });
    }));
  });

  it('names no more scopes of a use than the issuer takes, each once, and when it was first and last', () => {
    const book = new UsageBook(10);
    const many = Array.from({ length: 100 }, (_, i) => `s${i % 80}`);
    book.record(0, 'tok_1', 'VALID', many, many, undefined, undefined, 5);
    book.record(0, 'tok_1', 'VALID', many, many, undefined, undefined, 9);
    book.record(0, 'tok_1', 'INSUFFICIENT_SCOPE', many, [], undefined, undefined, 7);
    const { records } = book.take(String);
    expect(records.map(({ firstAt, at, count, scopesUsed, scopesDenied }) => [firstAt, at, count, scopesUsed.length, scopesDenied.length])).toEqual([['5', '9', 2, 64, 0], ['7', '7', 1, 0, 64]]);
  });
});

describe('networkOf', () => {
  it.each([
    ['192.0.2.77', '192.0.2.0/24'], ['::ffff:192.0.2.77', '192.0.2.0/24'], ['2001:db8:abcd:12::1', '2001:db8:abcd::/48'], ['2001:0DB8:0000::1', '2001:db8:0::/48'],
    ['::1', '0:0:0::/48'], ['fe80::1', 'fe80:0:0::/48'], ['not an address', undefined], ['', undefined],
    [`${'a'.repeat(70)}:`, undefined], ['999.1.1.1', undefined], ['1:2:3', undefined], ['fe80::1%eth0', undefined],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
