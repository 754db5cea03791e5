import { packEntry, packNumbers } from './baseline.js';
import { networkHash } from './observe.js';
import { seedOf } from './seed.js';

describe('a packed baseline', () => {
  it('stays under the 64 bytes up to which Redis keeps a hash in its compact form', () => {
    const { i, v } = packNumbers({});
    expect(Math.max(i.length, v.length, packEntry(1, 2, 3).length)).toBeLessThanOrEqual(64);
  });
});

describe('a rebuilt baseline', () => {
  const at = new Date('2026-11-23T10:00:00Z');
  const past = { firstAt: at, lastAt: new Date(at.getTime() + 60_000), calls: 70, peakMinute: 9, peakHour: 50, highDenied: 2, sources: [] };

  it('starts with nothing but the first use where there is no past', () => {
    expect(seedOf(undefined, { first: 100, now: 200 })).toEqual({ ...packNumbers({ firstUsedAt: 100 }) });
  });

  it('knows the newest networks of the past, is used to its peaks, and only learns for an hour', () => {
    const sources = Array.from({ length: 20 }, (_, i) => ({ kind: 'network', value: `10.${i}.0.0/24`, firstAt: at, lastAt: new Date(at.getTime() + i * 1000) }));
    const fields = seedOf({ ...past, sources }, { first: 100, now: 200 });
    expect(fields).toMatchObject({ ...packNumbers({ firstUsedAt: at.getTime() / 1000, lastUsedAt: at.getTime() / 1000 + 60, calls: 70, highMinute: 9, highHour: 50, highDenied: 2 }), l: '3800' });
    const networks = Object.keys(fields).filter((field) => field.startsWith('N'));
    expect(networks).toHaveLength(12);
    expect(networks).toContain(`N${networkHash('10.19.0.0/24')}`);
    expect(networks).not.toContain(`N${networkHash('10.0.0.0/24')}`);
  });
});
