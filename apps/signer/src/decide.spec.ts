import fc from 'fast-check';
import { emptyRoot, hashLeaf, proveConsistency, rootOf, type TileReader } from '@writ/tlog';
import { decide, type Head } from './decide.js';
import { parseSignRequest } from './sign-request.js';

const leaves = Array.from({ length: 200 }, (_, i) => hashLeaf(Buffer.from(`leaf ${i}`)));
const reader: TileReader = { readTile: async (_level, _index, width) => Buffer.concat(leaves.slice(0, width)) };
const headOf = (size: number): Head => ({ size, root: rootOf(leaves.slice(0, size)) });
const askFor = async (from: number, to: number) => ({ ...headOf(to), proof: await proveConsistency(reader, from, to) });
const sizes = fc.tuple(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 })).map(([a, b]) => (a < b ? [a, b] : [b, a]) as [number, number]);
const other = Buffer.alloc(32, 5);

it('advances to every larger tree that is proven to extend the head', async () => {
  await fc.assert(fc.asyncProperty(sizes.filter(([a, b]) => a < b), async ([from, to]) => {
    expect(decide(headOf(from), await askFor(from, to))).toEqual({ outcome: 'advance', head: headOf(to) });
  }));
});

it('repeats the head it has', async () => {
  expect(decide(headOf(7), await askFor(7, 7))).toEqual({ outcome: 'repeat' });
  expect(decide({ size: 0, root: emptyRoot }, { size: 0, root: emptyRoot, proof: [] })).toEqual({ outcome: 'repeat' });
});

it('takes any tree as the first, without a proof', () => {
  const empty = { size: 0, root: emptyRoot };
  expect(decide(empty, { ...headOf(9), proof: [] })).toEqual({ outcome: 'advance', head: headOf(9) });
  expect(decide(empty, { ...headOf(9), proof: [other] })).toEqual({ outcome: 'refuse', code: 'head-unproven' });
});

it('refuses every smaller tree, even an honest one', async () => {
  await fc.assert(fc.asyncProperty(sizes.filter(([a, b]) => a < b), async ([from, to]) => {
    expect(decide(headOf(to), { ...headOf(from), proof: [] })).toEqual({ outcome: 'refuse', code: 'head-behind' });
  }));
  expect(decide(headOf(1), { size: 0, root: emptyRoot, proof: [] })).toEqual({ outcome: 'refuse', code: 'head-behind' });
});

it('refuses another root of the same size', () => {
  expect(decide(headOf(7), { size: 7, root: other, proof: [] })).toEqual({ outcome: 'refuse', code: 'head-forked' });
  expect(decide({ size: 0, root: emptyRoot }, { size: 0, root: other, proof: [] })).toEqual({ outcome: 'refuse', code: 'head-forked' });
});

it('refuses every larger tree without exactly the right proof', async () => {
  await fc.assert(fc.asyncProperty(sizes.filter(([a, b]) => a < b), fc.nat(), async ([from, to], at) => {
    const honest = await askFor(from, to);
    const attempts = [
      { ...honest, root: other },
      { ...honest, proof: [...honest.proof, other] },
      { ...honest, proof: honest.proof.slice(1) },
      { ...honest, proof: honest.proof.map((hash, i) => (i === at % honest.proof.length ? other : hash)) },
    ];
    for (const attempt of attempts) expect(decide(headOf(from), attempt)).toEqual({ outcome: 'refuse', code: 'head-unproven' });
    expect(decide({ size: from, root: other }, honest)).toEqual({ outcome: 'refuse', code: 'head-unproven' });
  }));
});

describe('a request', () => {
  const root = other.toString('base64');

  it('is a size, a root and a proof', () => {
    expect(parseSignRequest(JSON.stringify({ size: 3, root, proof: [root] }))).toEqual({ size: 3, root: other, proof: [other] });
  });

  it.each([
    ['nothing', ''], ['null', 'null'], ['a list', '[]'],
    ['no size', JSON.stringify({ root, proof: [] })],
    ['a size in text', JSON.stringify({ size: '3', root, proof: [] })],
    ['a broken size', JSON.stringify({ size: 1.5, root, proof: [] })],
    ['a negative size', JSON.stringify({ size: -1, root, proof: [] })],
    ['a size above 2^53-1', '{"size":9007199254740993,"root":"' + root + '","proof":[]}'],
    ['a short root', JSON.stringify({ size: 3, root: 'AAAA', proof: [] })],
    ['no proof', JSON.stringify({ size: 3, root })],
    ['a proof that is no list', JSON.stringify({ size: 3, root, proof: root })],
    ['64 hashes', JSON.stringify({ size: 3, root, proof: Array.from({ length: 64 }, () => root) })],
    ['a hash that is none', JSON.stringify({ size: 3, root, proof: [3] })],
    ['a field nobody knows', JSON.stringify({ size: 3, root, proof: [], force: true })],
  ])('is malformed with %s', (_, body) => {
    expect(parseSignRequest(body)).toBeUndefined();
  });

  it('is read or refused whatever its text', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (body) => void parseSignRequest(body)));
  });
});
