import fc from 'fast-check';
import {
  appendLeaves, edgeFrom, edgeTiles, emptyEdge, newTiles, proveConsistency, proveInclusion, readEdge, rootAt, rootOf, rootOfEdge, sameHash,
  tilePath, tileSource, TreeBuilder, verifyConsistency, verifyInclusion, type Edge,
} from './index.js';
import { consistency, leafOf, mth, path } from '../test/naive.js';

const leaves = Array.from({ length: 1500 }, (_, i) => leafOf(Buffer.from(`leaf ${i}`)));
const size = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 250, max: 260 }), fc.integer({ min: 1, max: leaves.length }));

/** Grows a tree in the given steps, keeping every tile ever published; none is ever written twice. */
function grow(steps: readonly number[]) {
  const files = new Map<string, Buffer>();
  let edge: Edge = emptyEdge;
  let root: Buffer = rootOfEdge(edge);
  for (const to of steps) {
    const growth = appendLeaves(edge, Buffer.concat(leaves.slice(edge.size, to)));
    for (const tile of growth.tiles) {
      expect(files.has(tilePath(tile))).toBe(false);
      files.set(tilePath(tile), tile.hashes);
    }
    ({ edge, root } = growth);
  }
  return { edge, root, files, source: tileSource(async (file) => files.get(file)) };
}

const ascending = fc.array(size, { minLength: 1, maxLength: 6 }).map((sizes) => sizes.sort((a, b) => a - b));

it('has the naive root for every size, however the leaves were batched', () => {
  fc.assert(fc.property(ascending, (steps) => {
    const { edge, root } = grow(steps);
    expect(root.equals(mth(leaves.slice(0, edge.size)))).toBe(true);
    expect(rootOfEdge(edge).equals(root)).toBe(true);
    expect(rootOf(leaves.slice(0, edge.size)).equals(root)).toBe(true);
  }), { numRuns: 60 });
});

it('keeps every earlier tree provable from the tiles written for later ones', async () => {
  await fc.assert(fc.asyncProperty(ascending, async (steps) => {
    const { edge, source } = grow(steps);
    for (const step of steps) expect((await rootAt(source, step)).equals(mth(leaves.slice(0, step)))).toBe(true);
    expect(await readEdge(source, edge.size)).toEqual(edge);
  }), { numRuns: 40 });
});

it('makes a wider tile start with every narrower one', async () => {
  const { files } = grow([3, 77, 255, 256, 300, 1500]);
  expect(files.get('tile/0/000')!.subarray(0, 77 * 32).equals(files.get('tile/0/000.p/77')!)).toBe(true);
  expect(files.get('tile/1/000.p/5')!.subarray(0, 32).equals(files.get('tile/1/000.p/1')!)).toBe(true);
});

it('writes exactly the tiles a larger tree has and the smaller one had not', () => {
  fc.assert(fc.property(size, size, (a, b) => {
    const [from, to] = a < b ? [a, b] : [b, a];
    const { edge } = grow([from]);
    const { tiles } = appendLeaves(edge, Buffer.concat(leaves.slice(from, to)));
    expect(tiles.map(tilePath)).toEqual(newTiles(from, to).map(tilePath));
    const edgePaths = edgeTiles(to).map(tilePath);
    const had = edgeTiles(from).map(tilePath);
    expect(edgePaths.every((file) => tiles.map(tilePath).includes(file) || had.includes(file))).toBe(true);
  }), { numRuns: 60 });
});

it('leaves the given edge as it was, so that a rolled-back batch can be dropped', () => {
  const { edge } = grow([300]);
  const before = structuredClone(edge);
  appendLeaves(edge, Buffer.concat(leaves.slice(300, 900)));
  expect(edge.size).toBe(before.size);
  expect(edge.levels.map((level) => Buffer.from(level))).toEqual(before.levels.map((level) => Buffer.from(level)));
});

it('takes an edge only when it fits its size', () => {
  const { edge, files } = grow([300]);
  const tiles = edgeTiles(300).map((at) => ({ ...at, hashes: files.get(tilePath(at))! }));
  expect(rootOfEdge(edgeFrom(300, tiles)).equals(mth(leaves.slice(0, 300)))).toBe(true);
  expect(() => edgeFrom(300, tiles.slice(1))).toThrow(expect.objectContaining({ code: 'edge-malformed' }));
  expect(() => new TreeBuilder({ size: 299, levels: edge.levels })).toThrow(expect.objectContaining({ code: 'edge-malformed' }));
  expect(() => new TreeBuilder({ size: -1, levels: [] })).toThrow(expect.objectContaining({ code: 'size-malformed' }));
  expect(() => appendLeaves(edge, Buffer.alloc(33))).toThrow(expect.objectContaining({ code: 'hash-malformed' }));
});

describe('proofs', () => {
  const pair = fc.tuple(size, fc.nat()).map(([n, x]) => ({ n, m: x % n }));
  const { source } = grow(Array.from({ length: leaves.length }, (_, i) => i + 1));

  it('include every entry of every tree, as the naive recursion says', async () => {
    await fc.assert(fc.asyncProperty(pair, async ({ n, m }) => {
      const proof = await proveInclusion(source, m, n);
      expect(proof.map((p) => p.toString('hex'))).toEqual(path(m, leaves.slice(0, n)).map((p) => Buffer.from(p).toString('hex')));
      expect(verifyInclusion(m, n, leaves[m]!, proof, mth(leaves.slice(0, n)))).toBe(true);
    }), { numRuns: 150 });
  });

  it('connect every tree to every later one, as the naive recursion says', async () => {
    await fc.assert(fc.asyncProperty(size, size, async (a, b) => {
      const [m, n] = a < b ? [a, b] : [b, a];
      const proof = await proveConsistency(source, m, n);
      expect(proof.map((p) => p.toString('hex'))).toEqual(consistency(m, leaves.slice(0, n)).map((p) => Buffer.from(p).toString('hex')));
      expect(verifyConsistency(m, n, proof, mth(leaves.slice(0, m)), mth(leaves.slice(0, n)))).toBe(true);
    }), { numRuns: 150 });
  });

  it('of inclusion fail for every flipped bit, every other index and every dropped or added hash', async () => {
    await fc.assert(fc.asyncProperty(pair, fc.nat(), async ({ n, m }, at) => {
      const proof = await proveInclusion(source, m, n);
      const root = mth(leaves.slice(0, n));
      const parts = [leaves[m]!, root, ...proof];
      for (let part = 0; part < parts.length; part++) {
        const [leaf, top, ...rest] = parts.map((p, i) => (i === part ? flip(p, at) : p));
        expect(verifyInclusion(m, n, leaf!, rest, top!)).toBe(false);
      }
      for (const index of [m - 1, m + 1, n, n - 1].filter((i) => i !== m)) {
        expect(verifyInclusion(index, n, leaves[m]!, proof, root)).toBe(false);
      }
      expect(verifyInclusion(m, n, leaves[m]!, [...proof, root], root)).toBe(false);
      if (proof.length > 0) expect(verifyInclusion(m, n, leaves[m]!, proof.slice(1), root)).toBe(false);
    }), { numRuns: 100 });
  });

  it('of consistency fail for every flipped bit, every swapped root and every dropped or added hash', async () => {
    await fc.assert(fc.asyncProperty(size, size, fc.nat(), async (a, b, at) => {
      const [m, n] = a < b ? [a, b] : [b, a];
      const proof = await proveConsistency(source, m, n);
      const parts = [mth(leaves.slice(0, m)), mth(leaves.slice(0, n)), ...proof];
      for (let part = 0; part < parts.length; part++) {
        const [old, root, ...rest] = parts.map((p, i) => (i === part ? flip(p, at) : p));
        expect(verifyConsistency(m, n, rest, old!, root!)).toBe(false);
      }
      expect(verifyConsistency(m, n, [...proof, parts[1]!], parts[0]!, parts[1]!)).toBe(false);
      if (proof.length > 0) expect(verifyConsistency(m, n, proof.slice(1), parts[0]!, parts[1]!)).toBe(false);
      if (m !== n) expect(verifyConsistency(m, n, proof, parts[1]!, parts[0]!)).toBe(false);
    }), { numRuns: 100 });
  });

  it('never accept values that are not 32 bytes, not even equal ones', () => {
    const junk = Buffer.alloc(12, 7);
    const empty = new Uint8Array();
    expect(verifyConsistency(1, 1, [], junk, junk)).toBe(false);
    expect(verifyConsistency(1, 1, [], empty, empty)).toBe(false);
    expect(verifyInclusion(0, 1, empty, [], empty)).toBe(false);
    expect(verifyInclusion(0, 1, junk, [], junk)).toBe(false);
    expect([sameHash(empty, empty), sameHash(junk, junk), sameHash(leaves[0]!, leaves[0]!)]).toEqual([false, false, true]);
    for (const odd of [empty, junk, Buffer.alloc(33)]) {
      expect(verifyInclusion(0, 2, leaves[0]!, [odd], leaves[1]!)).toBe(false);
      expect(verifyInclusion(0, 2, odd, [leaves[1]!], leaves[1]!)).toBe(false);
      expect(verifyConsistency(1, 2, [odd], leaves[0]!, leaves[1]!)).toBe(false);
      expect(verifyConsistency(1, 2, [leaves[1]!], odd, leaves[1]!)).toBe(false);
    }
  });

  it('of equal sizes are empty and of equal roots', () => {
    const [root, other] = [mth(leaves.slice(0, 5)), mth(leaves.slice(0, 6))];
    expect(verifyConsistency(5, 5, [], root, root)).toBe(true);
    expect(verifyConsistency(5, 5, [root], root, root)).toBe(false);
    expect(verifyConsistency(5, 5, [], root, other)).toBe(false);
  });

  it('from size 0 prove nothing, and sizes never descend', () => {
    const root = mth(leaves.slice(0, 5));
    expect(verifyConsistency(0, 5, [], mth([]), root)).toBe(false);
    expect(verifyConsistency(0, 0, [], mth([]), mth([]))).toBe(false);
    expect(verifyConsistency(6, 5, [], root, root)).toBe(false);
    expect(verifyConsistency(1.5, 5, [], root, root)).toBe(false);
    expect(verifyInclusion(5, 5, leaves[5]!, [], root)).toBe(false);
    expect(verifyInclusion(-1, 5, leaves[0]!, [], root)).toBe(false);
  });

  it('do not bind the size, which only the signed checkpoint does', async () => {
    const root = mth(leaves.slice(0, 3));
    const inclusion = await proveInclusion(source, 0, 3);
    const consistent = await proveConsistency(source, 1, 3);
    for (const size of [3, 4]) {
      expect(verifyInclusion(0, size, leaves[0]!, inclusion, root)).toBe(true);
      expect(verifyConsistency(1, size, consistent, leaves[0]!, root)).toBe(true);
    }
  });

  it('hold at sizes above 2^32, where bit operations would not', () => {
    const half = mth(leaves.slice(0, 1));
    const sizes = [2 ** 40, 2 ** 53 - 1];
    // A path for the last leaf of a tree whose left halves all hash to `half`, folded by hand.
    for (const n of sizes) {
      const proof = proofOfLast(n, half);
      const root = proof.reduce((right: Uint8Array, left) => mth([left, right]), leaves[1]!);
      expect(verifyInclusion(n - 1, n, leaves[1]!, proof, root)).toBe(true);
      expect(verifyInclusion(n - 2, n, leaves[1]!, proof, root)).toBe(false);
    }
  });
});

/** The last leaf is always the right child: one left sibling per one-bit of n-1. */
function proofOfLast(n: number, sibling: Uint8Array): Uint8Array[] {
  const ones = [...(n - 1).toString(2)].filter((bit) => bit === '1').length;
  return Array.from({ length: ones }, () => sibling);
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(bytes);
  copy[Math.floor(at / 8) % copy.length]! ^= 1 << (at % 8);
  return copy;
}
