import { canonicalJson } from '@writ/contracts';
import { disclose } from '../entries/disclosure.js';
import { parseLeaf, type Leaf } from '../entries/leaf.js';
import { indicesIn, rangesOf } from '../subjects/erase.js';
import { Counters } from './counters.js';
import { Gone } from './finding.js';
import { compareColumns, compareLeaves, compareOpenings, type StoredEntry } from './inspect.js';
import fc from 'fast-check';

const numbered = (n: number, src = 'issuer/0') => ({ src, n: String(n) }) as Leaf;
const at = '2026-01-01T00:00:00.000Z';

describe('a producer’s numbers', () => {
  it('close for every order of arrival', () => {
    fc.assert(fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6, 7, 8], { minLength: 8 }), (order) => {
      const counters = new Counters(10);
      order.forEach((n, i) => counters.take(numbered(n), i));
      expect(counters.wrong(1_000)).toEqual([]);
    }));
  });

  it('show every number that never comes, once it is too old to be late', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 19 }), (lost) => {
      const counters = new Counters(10);
      for (let n = 1; n <= 20; n++) if (n !== lost) counters.take(numbered(n), n);
      expect(counters.wrong(20)).toHaveLength(lost <= 9 ? 1 : 0);
      expect(counters.wrong(100)).toMatchObject([{ code: 'counter-gap', detail: expect.stringContaining(`number ${lost},`) }]);
    }));
  });

  it('say a gap in the same words however much comes after it, and no more when it is closed', () => {
    const counters = new Counters(10);
    counters.take(numbered(2), 0);
    const first = counters.wrong(20);
    expect(first).toHaveLength(1);
    for (let n = 3; n <= 10_000; n += 1) counters.take(numbered(n), n);
    expect(counters.wrong(20_000)).toEqual(first);
    counters.take(numbered(1), 20_001);
    expect(counters.wrong(40_000)).toEqual([]);
  });

  it('show that one was said again under another id, whatever came between', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 20 }), (again, later) => {
      const counters = new Counters(10);
      for (let n = 1; n <= 20; n++) counters.take(numbered(n), 0);
      for (let n = 21; n < 21 + later; n++) counters.take(numbered(n), 0);
      expect(counters.wrong(100)).toEqual([]);
      counters.take(numbered(again), 0);
      expect(counters.wrong(100)).toMatchObject([{ code: 'counter-twice', detail: expect.stringContaining(`number ${again} twice`) }]);
    }));
  });

  it('are counted for each producer by itself', () => {
    const counters = new Counters(0);
    for (const n of [1, 2]) counters.take(numbered(n), 0);
    counters.take(numbered(2, 'issuer/1'), 0);
    expect(counters.wrong(1)).toMatchObject([{ detail: expect.stringContaining('issuer/1 said number 1') }]);
  });
});

describe('the ranges of erased places', () => {
  it('read back as the same places, for every set of them', () => {
    fc.assert(fc.property(fc.uniqueArray(fc.nat(300)), (indices) => {
      const gone = new Gone(indicesIn(rangesOf([...indices].sort((a, b) => a - b))));
      for (let i = 0; i <= 301; i++) expect(gone.has(i)).toBe(indices.includes(i));
    }));
  });
});

describe('a stored entry', () => {
  const bytes = Buffer.from(canonicalJson({ v: 1, log: 'log', seq: '4', id: 'evt', type: 'token.revoked', token: 'tok', k: '2', prev: '1', ts: at, rec: at, data: {} }));
  const entry: StoredEntry = { index: 4, event: 'evt', type: 'token.revoked', token: 'tok', request: null, k: 2, recordedAt: new Date(at), leaf: bytes, previous: 1 };

  it('agrees with its leaf', () => {
    expect(compareColumns(entry, 'log')).toEqual([]);
  });

  it.each<[string, Partial<StoredEntry>, string]>([
    ['another place', { index: 5 }, 'index-differs'], ['another event', { event: 'x' }, 'index-differs'], ['another type', { type: 'x' }, 'index-differs'],
    ['no token', { token: null }, 'index-differs'], ['a request', { request: 'req' }, 'index-differs'], ['another ordinal', { k: 3 }, 'index-differs'],
    ['another time', { recordedAt: new Date(0) }, 'index-differs'], ['another entry before it', { previous: 3 }, 'link-broken'], ['nothing before it', { previous: null }, 'link-broken'],
    ['bytes that cannot be read', { leaf: Buffer.from('{') }, 'entry-differs'],
  ])('is found out with %s (G8)', (_, change, code) => {
    expect(compareColumns({ ...entry, ...change }, 'log').map((finding) => finding.code)).toContain(code);
  });

  it('is found out when it is not what was published, or gone (G8)', () => {
    const stored = new Map([[4, entry]]);
    expect(compareLeaves(4, stored, [bytes])).toEqual([]);
    expect(compareLeaves(4, stored, [Buffer.from('other')])).toMatchObject([{ code: 'entry-differs', index: 4 }]);
    expect(compareLeaves(4, stored, [bytes, bytes])).toMatchObject([{ code: 'entry-missing', index: 5 }]);
  });

  it('must open what its digests promise, unless an erasure says why not (G8)', () => {
    const [one, other] = ['a', 'b'].map((name) => disclose(Buffer.alloc(16, 1), name, 'x'));
    const leaf = { ...parseLeaf(bytes), _sd: [one!.digest] };
    const nothing = new Gone([]);
    expect(compareOpenings(4, leaf, [one!.text], nothing)).toEqual([]);
    expect(compareOpenings(4, leaf, [], nothing)).toMatchObject([{ code: 'opening-missing' }]);
    expect(compareOpenings(4, leaf, [], new Gone([[3, 4]]))).toEqual([]);
    expect(compareOpenings(4, leaf, [one!.text, other!.text], nothing)).toMatchObject([{ code: 'opening-differs' }]);
  });
});
