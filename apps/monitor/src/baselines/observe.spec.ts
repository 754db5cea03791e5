import fc from 'fast-check';
import type { UsageRecord, UsageRecorded } from '@writ/contracts';
import { addUsage, emptyBatch, networkHash, shortHash, slicesOf } from './observe.js';

const at = Date.parse('2026-11-23T10:00:30Z');
const record = (more: Partial<UsageRecord> = {}): UsageRecord => ({
  tokenId: 'tok_a', code: 'VALID', gateway: 'gw', network: '198.51.100.0/24', agent: 'curl', scopes: ['orders:read'], count: 1, firstAt: new Date(at).toISOString(), lastAt: new Date(at).toISOString(), ...more,
});
const observe = (...records: UsageRecord[]) => {
  const batch = emptyBatch();
  addUsage(batch, 'evt_0123456789', { verifierId: 'v', watermark: '', records } as UsageRecorded, at);
  return batch;
};

describe('a usage batch', () => {
  it('keeps every call of every record, however long a time it spans', () => {
    fc.assert(fc.property(fc.array(fc.record({ count: fc.integer({ min: 1, max: 1e6 }), span: fc.integer({ min: 0, max: 200 }) }), { maxLength: 20 }), (facts) => {
      const batch = observe(...facts.map(({ count, span }) => record({ count, firstAt: new Date(at - span * 60_000).toISOString() })));
      const sum = facts.reduce((total, { count }) => total + count, 0);
      expect(slicesOf(batch).flatMap(({ observations }) => observations).reduce((total, { calls }) => total + calls, 0)).toBe(sum);
      expect([...batch.minutes.values()].reduce((total, { calls }) => total + calls, 0)).toBe(sum);
    }));
  });

  it('spreads a long record over its minutes, so that a late report is no burst', () => {
    const slices = slicesOf(observe(record({ count: 600, firstAt: new Date(at - 9 * 60_000).toISOString() })));
    expect(slices.flatMap(({ observations }) => observations).map(({ calls }) => calls)).toEqual(Array.from({ length: 10 }, () => 60));
  });

  it('judges a day that is reported late hour by hour, in the order it happened', () => {
    const hours = [5, 3, 4].map((hour) => record({ firstAt: new Date(at - hour * 3_600_000).toISOString(), lastAt: new Date(at - hour * 3_600_000).toISOString() }));
    expect(slicesOf(observe(...hours)).map((slice) => Math.round(at / 1000 - slice.at) / 3_600)).toEqual([5, 4, 3]);
  });

  it('is no repetition of itself: no two slices of a year look alike', () => {
    const slices = Array.from({ length: 50_000 }, (_, i) => new Date(at - i * 600_000).toISOString()).map((time) => record({ firstAt: time, lastAt: time }));
    expect(new Set(slicesOf(observe(...slices)).flatMap(({ observations }) => observations).map(({ tag }) => tag)).size).toBe(slices.length);
  });

  it('passes over unknown secrets, and only counts what is refused because the token is suspended', () => {
    const batch = observe(record({ tokenId: undefined, code: 'NOT_FOUND' }), record({ code: 'SUSPENDED' }));
    expect([batch.slices.size, batch.minutes.size]).toEqual([0, 1]);
  });

  it('takes nothing about a token from uses of a dead secret', () => {
    expect(observe(record({ code: 'REVOKED' })).sources.size).toBe(0);
  });

  it('believes no verifier whose clock runs ahead', () => {
    expect(observe(record({ firstAt: '2036-01-01T00:00:00Z', lastAt: '2036-01-01T00:00:00Z' })).slices.values().next().value?.at).toBe(at / 1000 + 60);
  });
});

describe('a network’s name', () => {
  it('shows its neighbours by its first three characters', () => {
    expect(networkHash('203.0.113.0/24').slice(0, 3)).toBe(networkHash('203.0.7.0/24').slice(0, 3));
    expect(networkHash('2001:db8:1::/48').slice(0, 3)).toBe(networkHash('2001:db8:2::/48').slice(0, 3));
    expect(networkHash('203.0.113.0/24')).not.toBe(networkHash('203.0.7.0/24'));
  });

  it('differs where networks differ: no two of ten thousand agents share one', () => {
    expect(new Set(Array.from({ length: 10_000 }, (_, i) => shortHash(`agent-${i}`))).size).toBeGreaterThan(9_990);
  });
});
