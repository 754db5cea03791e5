import { isSize } from './encoding.js';
import { TlogError } from './errors.js';
import { emptyRoot, foldHashes, hashNode, hashSize, isHash, sameHash } from './hash.js';
import { edgeTiles, tilePath, tileWidth, widthIn, type TileCoordinate } from './tile.js';
import { edgeFrom, type Edge } from './tree.js';

/** Reads one tile. Must return exactly `width` * 32 bytes; a wider stored tile is cut to its prefix. */
export interface TileReader {
  readTile(level: number, index: number, width: number): Promise<Uint8Array>;
}

/** Leaves [start, end) below one hash of a proof. */
type Range = readonly [start: number, end: number];

/**
 * Proves that entry `index` is in the tree of `size`: hashes from the leaf's sibling up to the root's child
 * (RFC 6962 section 2.1.1). Tiles are read at most once, in parallel. Throws `index-out-of-range`, `tile-malformed`.
 */
export async function proveInclusion(reader: TileReader, index: number, size: number): Promise<Buffer[]> {
  return hashRanges(reader, size, inclusionRanges(index, size));
}

/**
 * Proves that the tree of `size` starts with the tree of `oldSize` (RFC 6962 section 2.1.2). Empty for equal sizes
 * and for `oldSize` 0, where there is nothing to prove.
 */
export async function proveConsistency(reader: TileReader, oldSize: number, size: number): Promise<Buffer[]> {
  return hashRanges(reader, size, consistencyRanges(oldSize, size));
}

/**
 * Computes the root of the first `size` entries from the tiles of a tree of `treeSize`. Give the size of a published
 * checkpoint as `treeSize` where the reader only has the partial tiles of those.
 */
export async function rootAt(reader: TileReader, size: number, treeSize = size): Promise<Buffer> {
  if (!isSize(size) || !isSize(treeSize) || size > treeSize) throw new TlogError('size-malformed', 'sizes must ascend');
  if (size === 0) return Buffer.from(emptyRoot);
  return (await hashRanges(reader, treeSize, [[0, size]]))[0]!;
}

/**
 * Reads the right edge of the tree of `size`, from which it can be grown. Give the size of a published checkpoint as
 * `treeSize` where the reader only has the partial tiles of that one.
 */
export async function readEdge(reader: TileReader, size: number, treeSize = size): Promise<Edge> {
  if (size > treeSize) throw new TlogError('size-malformed', 'sizes must ascend');
  const tiles = await Promise.all(edgeTiles(size).map(async ({ level, index, width }) => {
    const hashes = await readChecked(reader, { level, index, width: widthIn(treeSize, level, index) });
    return { level, index, width, hashes: hashes.subarray(0, width * hashSize) };
  }));
  return edgeFrom(size, tiles);
}

/** Computes the root over leaf hashes held in memory, for small trees such as a batch of records. */
export function rootOf(leafHashes: readonly Uint8Array[]): Buffer {
  return foldHashes(flat(leafHashes));
}

/** Proves inclusion in a small tree held in memory. For many proofs of one tree take {@link inclusionProver}. */
export function proveInclusionIn(leafHashes: readonly Uint8Array[], index: number): Buffer[] {
  return inclusionProver(leafHashes)(index);
}

/** Hashes a small tree once; each proof of it then only reads. Proofs throw `index-out-of-range`. */
export function inclusionProver(leafHashes: readonly Uint8Array[]): (index: number) => Buffer[] {
  // Pairing neighbours and lifting a last one alone gives the tree of RFC 6962.
  const levels = [leafHashes];
  for (let below = leafHashes; below.length > 1; levels.push(below)) {
    const pairs = below;
    below = Array.from({ length: Math.ceil(pairs.length / 2) }, (_, i) => (2 * i + 1 < pairs.length ? hashNode(pairs[2 * i]!, pairs[2 * i + 1]!) : pairs[2 * i]!));
  }
  return (index) => {
    if (!isSize(index) || index >= leafHashes.length) throw new TlogError('index-out-of-range', `no entry ${index} in a tree of ${leafHashes.length}`);
    return levels.flatMap((hashes, height) => {
      const sibling = hashes[Math.floor(index / 2 ** height) ^ 1];
      return sibling ? [Buffer.from(sibling)] : [];
    });
  };
}

/**
 * Verifies an inclusion proof (RFC 9162 section 2.1.3.2). False for anything that does not prove it, including
 * hashes that are not 32 bytes: an empty leaf or root never passes.
 */
export function verifyInclusion(
  index: number, size: number, leafHash: Uint8Array, proof: readonly Uint8Array[], root: Uint8Array,
): boolean {
  if (!isSize(index) || !isSize(size) || index >= size) return false;
  if (![leafHash, root, ...proof].every(isHash)) return false;
  let fn = index;
  let sn = size - 1;
  let hash: Uint8Array = leafHash;
  for (const sibling of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      hash = hashNode(sibling, hash);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = half(sn);
      }
    } else {
      hash = hashNode(hash, sibling);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && sameHash(hash, root);
}

/**
 * Verifies a consistency proof (RFC 9162 section 2.1.4.2). Edges, decided on purpose: equal sizes need equal
 * 32-byte roots and an empty proof; `oldSize` 0 is always false, because every tree extends the empty one and a
 * caller that has seen nothing must say so itself.
 */
export function verifyConsistency(
  oldSize: number, size: number, proof: readonly Uint8Array[], oldRoot: Uint8Array, root: Uint8Array,
): boolean {
  if (!isSize(oldSize) || !isSize(size) || oldSize === 0 || oldSize > size) return false;
  if (![oldRoot, root, ...proof].every(isHash)) return false;
  if (oldSize === size) return proof.length === 0 && sameHash(oldRoot, root);
  let fn = oldSize - 1;
  let sn = size - 1;
  while (fn % 2 === 1) {
    fn = half(fn);
    sn = half(sn);
  }
  const path = fn === 0 ? [oldRoot, ...proof] : [...proof];
  const first = path.shift();
  if (!first) return false;
  let oldHash: Uint8Array = first;
  let newHash: Uint8Array = first;
  for (const next of path) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      oldHash = hashNode(next, oldHash);
      newHash = hashNode(next, newHash);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = half(sn);
      }
    } else {
      newHash = hashNode(newHash, next);
    }
    fn = half(fn);
    sn = half(sn);
  }
  return sn === 0 && sameHash(oldHash, oldRoot) && sameHash(newHash, root);
}

/** PATH(index, D[size]) as leaf ranges, the leaf's sibling first. */
function inclusionRanges(index: number, size: number): Range[] {
  if (!isSize(index) || !isSize(size) || index >= size) {
    throw new TlogError('index-out-of-range', `no entry ${index} in a tree of ${size}`);
  }
  const ranges: Range[] = [];
  for (let start = 0, end = size; end - start > 1;) {
    const middle = start + splitPoint(end - start);
    ranges.push(index < middle ? [middle, end] : [start, middle]);
    if (index < middle) end = middle;
    else start = middle;
  }
  return ranges.reverse();
}

/** PROOF(oldSize, D[size]) as leaf ranges. The old tree itself is left out where the verifier has its root. */
function consistencyRanges(oldSize: number, size: number): Range[] {
  if (!isSize(oldSize) || !isSize(size) || oldSize > size) throw new TlogError('size-malformed', 'sizes must ascend');
  if (oldSize === 0) return [];
  const ranges: Range[] = [];
  let start = 0;
  for (let end = size; end !== oldSize;) {
    const middle = start + splitPoint(end - start);
    ranges.push(oldSize <= middle ? [middle, end] : [start, middle]);
    if (oldSize <= middle) end = middle;
    else start = middle;
  }
  if (start > 0) ranges.push([start, oldSize]);
  return ranges.reverse();
}

/** Where to find a complete subtree: `count` adjacent hashes of one tile, folded. */
interface Subtree {
  tile: TileCoordinate;
  offset: number;
  count: number;
}

async function hashRanges(reader: TileReader, size: number, ranges: readonly Range[]): Promise<Buffer[]> {
  const parts = ranges.map(([start, end]) => subtrees(start, end, size));
  const tiles = new Map(parts.flat().map(({ tile }) => [tilePath(tile), tile]));
  const read = new Map<string, Uint8Array>();
  await Promise.all([...tiles].map(async ([path, tile]) => read.set(path, await readChecked(reader, tile))));
  return parts.map((range) => range
    .map(({ tile, offset, count }) =>
      foldHashes(read.get(tilePath(tile))!.subarray(offset * hashSize, (offset + count) * hashSize)))
    .reduceRight((right, left) => hashNode(left, right)));
}

/** Splits a range of a proof into the complete subtrees it is made of, largest first. */
function subtrees(start: number, end: number, size: number): Subtree[] {
  const parts: Subtree[] = [];
  for (let at = start; at < end;) {
    let leaves = 1;
    let height = 0;
    while (leaves * 2 <= end - at) {
      leaves *= 2;
      height++;
    }
    const level = Math.floor(height / 8);
    const count = 2 ** (height % 8);
    const first = (at / leaves) * count;
    const index = Math.floor(first / tileWidth);
    parts.push({ tile: { level, index, width: widthIn(size, level, index) }, offset: first % tileWidth, count });
    at += leaves;
  }
  return parts;
}

async function readChecked(reader: TileReader, tile: TileCoordinate): Promise<Buffer> {
  const bytes = await reader.readTile(tile.level, tile.index, tile.width);
  if (bytes.length !== tile.width * hashSize) {
    throw new TlogError('tile-malformed', `${tilePath(tile)} has ${bytes.length} bytes, not ${tile.width * hashSize}`);
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The largest power of two below n. */
function splitPoint(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

function half(n: number): number {
  return Math.floor(n / 2);
}

function flat(hashes: readonly Uint8Array[]): Buffer {
  if (!hashes.every(isHash)) throw new TlogError('hash-malformed', 'a hash has 32 bytes');
  return Buffer.concat(hashes);
}
