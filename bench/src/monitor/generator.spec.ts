import { createHash } from 'node:crypto';
import { frozenHash, generatorHash, strangeHash } from './frozen.js';
import { families, honestKinds, traffic } from './generator.js';
import { strangeFamilies, strangeKinds, strangeTraffic } from './transfer.js';
import { wilson } from './wilson.js';

describe('the traffic that detectors are judged by', () => {
  it('is the one that was frozen before the first detector was tuned', () => {
    expect(generatorHash()).toBe(frozenHash);
  });

  it('is the same for the same seed, and another for another', () => {
    const print = (seed: number) => {
      const hash = createHash('sha256');
      for (const slot of traffic(seed, { honest: 10, perFamily: 1 }).slots()) hash.update(JSON.stringify(slot));
      return hash.digest('hex');
    };
    expect(print(1)).toBe(print(1));
    expect(print(1)).not.toBe(print(2));
  });

  it('has at least eight honest behaviours and ten families of attack, each of them present', () => {
    expect(honestKinds.length).toBeGreaterThanOrEqual(8);
    expect(Object.keys(families).length).toBeGreaterThanOrEqual(10);
    const { subjects, slots } = traffic(5, { honest: 20, perFamily: 2 });
    const seen = new Set<number>();
    for (const { at, uses } of slots()) {
      for (const use of uses) {
        const { stolenAt, family } = subjects[use.subject]!;
        if (family && (at - Date.UTC(2026, 0, 5)) / 600_000 >= stolenAt!) seen.add(use.subject);
      }
    }
    expect(subjects.filter(({ family, index }) => family && !seen.has(index))).toEqual([]);
    expect(new Set(subjects.filter(({ family }) => !family).map(({ kind }) => kind)).size).toBe(honestKinds.length);
  });
});

describe('the traffic that no detector was tuned on', () => {
  it('is the one that was frozen before its first run', () => {
    expect(generatorHash('transfer')).toBe(strangeHash);
  });

  it('is the same for the same seed, in order of time, with every kind and family', () => {
    const all = (seed: number) => [...strangeTraffic(seed, { honest: 16, perFamily: 2 }).slots()];
    expect(all(1)).toEqual(all(1));
    expect(all(1).length).not.toBe(all(2).length);
    expect(all(3).every(({ at }, i, slots) => i === 0 || at > slots[i - 1]!.at)).toBe(true);
    const { subjects } = strangeTraffic(3, { honest: 16, perFamily: 2 });
    expect(new Set(subjects.map(({ kind }) => kind)).size).toBe(strangeKinds.length);
    expect(new Set(subjects.flatMap(({ family }) => family ?? []))).toEqual(new Set(Object.keys(strangeFamilies)));
  });
});

describe('an interval of Wilson', () => {
  it('holds the share, and never leaves nought to one', () => {
    expect(wilson(60, 60).map((x) => x.toFixed(3))).toEqual(['0.940', '1.000']);
    expect(wilson(0, 60).map((x) => x.toFixed(3))).toEqual(['0.000', '0.060']);
  });
});
