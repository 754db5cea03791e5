import fc from 'fast-check';
import { canonicalJson, services, type UsageRecord } from '@writ/contracts';
import { disclose } from '../entries/disclosure.js';
import { parseLeaf, type Leaf } from '../entries/leaf.js';
import { usesOf } from '../entries/uses.js';
import { erasedTexts, placesIn } from '../subjects/erase.js';
import { Counters } from './counters.js';
import { Gone, takeGone } from './finding.js';
import { compareColumns, compareLeaves, compareOpenings, compareUses, type StoredEntry, type UseBatch } from './inspect.js';
import { SignsOfLife } from './signs-of-life.js';

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

  it('show a last one that never came, by how far its service says that it has counted, and close when it comes late', () => {
    const counters = new Counters(10);
    const alive = (counts: unknown) => ({ ...numbered(1), type: 'service.alive', data: { counters: counts } }) as unknown as Leaf;
    counters.take(alive([{ producer: 'issuer/0', n: '1' }, { producer: 'issuer/5', n: '3' }, { producer: 'policy/1', n: '9' }, { producer: 'issuer/6', n: 'x' }, null].filter(Boolean)), 0);
    expect(counters.wrong(5)).toEqual([]);
    expect(counters.wrong(20)).toMatchObject([{ code: 'counter-gap', detail: 'issuer/5 said number 1, which was never recorded.' }]);
    for (const n of [3, 1, 2]) counters.take(numbered(n, 'issuer/5'), 20);
    expect(counters.wrong(100)).toEqual([]);
  });

  it('are counted for each producer by itself', () => {
    const counters = new Counters(0);
    for (const n of [1, 2]) counters.take(numbered(n), 0);
    counters.take(numbered(2, 'issuer/1'), 0);
    expect(counters.wrong(1)).toMatchObject([{ detail: expect.stringContaining('issuer/1 said number 1') }]);
  });
});

describe('the places that leaves say were erased', () => {
  const places = fc.uniqueArray(fc.tuple(fc.nat(40), fc.uniqueArray(fc.nat(30), { minLength: 1 })), { selector: ([index]) => index });

  it('read back as the same places, for every set of them', () => {
    fc.assert(fc.property(places, places, (entries, uses) => {
      const gone = { entries: new Gone(), uses: new Gone() };
      for (const data of erasedTexts(new Map(entries), new Map(uses))) takeGone(gone, { type: 'pii.erased', data } as unknown as Leaf);
      for (const [kind, erased] of [['entries', new Map(entries)], ['uses', new Map(uses)]] as const) {
        for (let index = 0; index <= 40; index++) for (let place = 0; place <= 30; place++) expect(gone[kind].has(index, place)).toBe(erased.get(index)?.includes(place) ?? false);
      }
    }), { numRuns: 30 });
  });

  it('are cut into leaves that fit an entry, and none is lost', () => {
    const many = new Map(Array.from({ length: 20_000 }, (_, i) => [i * 7, [0, 2]]));
    const texts = erasedTexts(many, new Map([[3, [1]]]));
    expect(texts.length).toBeGreaterThan(1);
    expect(Math.max(...texts.map((text) => JSON.stringify(text).length))).toBeLessThan(50_000);
    expect(texts.flatMap(({ entries = '' }) => [...placesIn(entries).keys()])).toEqual([...many.keys()]);
    expect(erasedTexts(new Map(), new Map())).toEqual([{}]);
  });

  it('of a recovery are whole entries', () => {
    const gone = { entries: new Gone(), uses: new Gone() };
    takeGone(gone, { type: 'log.recovered', data: { from: '3', to: '5' } } as unknown as Leaf);
    expect([2, 3, 4, 5].map((index) => gone.uses.has(index, 9))).toEqual([false, true, true, false]);
  });
});

describe('a batch of uses', () => {
  const records = [0, 1, 2].map((i) => ({ tokenId: `tok_${i}`, code: 'VALID', gateway: 'edge', count: 1, firstAt: at, lastAt: at })) as unknown as UsageRecord[];
  const { facts, hashes, groups } = usesOf(records, 'vrf', () => Buffer.alloc(16, 3));
  const all = groups.flatMap(({ disclosures }) => disclosures);
  const batch: UseBatch = { index: 4, recordedAt: new Date(at), leaf: Buffer.from(JSON.stringify({ data: facts })), hashes, records: all };
  const codes = (change: Partial<UseBatch>, gone = new Gone()) => compareUses({ ...batch, ...change }, gone).findings.map(({ code }) => code);
  const erased = new Gone();
  erased.add(4, [[1, 1]]);

  it('is whole when every record opens to its hash, and names the tokens that were used', () => {
    expect(compareUses(batch, new Gone())).toEqual({ findings: [], tokens: ['tok_0', 'tok_1', 'tok_2'] });
  });

  it.each<[string, Partial<UseBatch>, string[]]>([
    ['a record is gone', { records: all.slice(1) }, ['opening-missing']], ['records changed places', { records: [[0, all[1]![1]], [1, all[0]![1]], all[2]!] }, ['opening-differs']],
    ['a hash was edited', { hashes: Buffer.concat([hashes.subarray(0, 64), Buffer.alloc(32)]) }, ['opening-differs']], ['the hashes are gone', { hashes: Buffer.alloc(0) }, ['opening-differs']],
    ['one was added', { records: [...all, [3, all[0]![1]]] }, ['opening-differs']],
  ])('is found out when %s (G8)', (_, change, expected) => {
    expect(codes(change)).toEqual(expected);
  });

  it('misses without a finding only the record whose erasure is recorded (G8)', () => {
    expect(codes({ records: [all[0]!, all[2]!] }, erased)).toEqual([]);
    expect(codes({ records: [all[0]!] }, erased)).toEqual(['opening-missing']);
  });
});

describe('services that fall silent', () => {
  const alive = (service: string, seconds: number) => ({ type: 'service.alive', rec: new Date(seconds * 1_000).toISOString(), data: { service } }) as unknown as Leaf;

  it('are told by name when nothing was heard for less than a minute, and by nobody who has not listened for as long (G8)', () => {
    const signs = new SignsOfLife(0);
    for (const service of services) signs.take(alive(service, 100));
    expect(signs.missing(156_000)).toMatchObject(services.map((service) => ({ code: 'service-silent', detail: expect.stringContaining(service) })));
    for (const service of services) if (service !== 'issuer') signs.take(alive(service, 120));
    expect(signs.missing(156_000)).toMatchObject([{ detail: 'Nothing was heard of issuer for 55 seconds.' }]);
    expect(new SignsOfLife(120_000).missing(156_000)).toEqual([]);
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
    const nothing = new Gone();
    expect(compareOpenings(4, leaf, [one!.text], nothing)).toEqual([]);
    expect(compareOpenings(4, leaf, [], nothing)).toMatchObject([{ code: 'opening-missing' }]);
    const erased = new Gone();
    erased.add(4, [[0, 0]]);
    expect(compareOpenings(4, leaf, [], erased)).toEqual([]);
    expect(compareOpenings(4, { ...leaf, _sd: [one!.digest, other!.digest] }, [], erased)).toMatchObject([{ code: 'opening-missing', detail: expect.stringContaining('1 openings') }]);
    expect(compareOpenings(4, leaf, [one!.text, other!.text], nothing)).toMatchObject([{ code: 'opening-differs' }]);
  });
});
