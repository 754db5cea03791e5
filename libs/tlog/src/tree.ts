import { isSize } from './encoding.js';
import { TlogError } from './errors.js';
import { foldHashes, hashSize } from './hash.js';
import { edgeTiles, hashesAtLevel, newTiles, tileWidth, type Tile } from './tile.js';

/**
 * All of a tree that is needed to grow it: its size and, per level, the hashes of the partial tile on the right
 * edge (empty where the level ends on a full tile). At most eight kilobytes per level, five levels for 10^12 entries.
 */
export interface Edge {
  size: number;
  /** Index = level; flat hashes, 32 bytes each. */
  levels: Uint8Array[];
}

export interface Growth {
  edge: Edge;
  root: Buffer;
  /** Tiles that are new or wider than before, level 0 first, ascending index. */
  tiles: Tile[];
}

export const emptyEdge: Readonly<Edge> = Object.freeze({ size: 0, levels: [] });

/** Makes an edge from stored tiles, in any order. Throws `edge-malformed` unless they are exactly `edgeTiles(size)`. */
export function edgeFrom(size: number, tiles: readonly Tile[]): Edge {
  const wanted = edgeTiles(size);
  const levels: Uint8Array[] = [];
  for (const { level, index, width } of wanted) {
    const tile = tiles.find((t) => t.level === level && t.index === index);
    if (!tile || tile.hashes.length < width * hashSize) {
      throw new TlogError('edge-malformed', `edge tile of level ${level} is missing or too narrow`);
    }
    while (levels.length < level) levels.push(new Uint8Array());
    levels[level] = tile.hashes.subarray(0, width * hashSize);
  }
  return { size, levels };
}

/** Returns the root of the tree that ends in this edge. */
export function rootOfEdge(edge: Edge): Buffer {
  return new TreeBuilder(edge).root();
}

/**
 * Grows a tree by leaf hashes (flat, 32 bytes each) and returns what changed. Pure: the given edge is not touched,
 * so a rolled-back transaction simply drops the result.
 */
export function appendLeaves(edge: Edge, leafHashes: Uint8Array): Growth {
  const builder = new TreeBuilder(edge);
  const completed = builder.append(leafHashes);
  const grown = builder.edge();
  const tiles = newTiles(edge.size, grown.size).map(({ level, index, width }): Tile => {
    const full = completed.find((t) => t.level === level && t.index === index);
    return full ?? { level, index, width, hashes: Buffer.from(grown.levels[level]!) };
  });
  return { edge: grown, root: builder.root(), tiles };
}

/** Builds a tree in one pass with constant memory; `append` may be called any number of times. */
export class TreeBuilder {
  #size: number;
  readonly #levels: Buffer[] = [];

  constructor(edge: Edge = emptyEdge) {
    if (!isSize(edge.size)) throw new TlogError('size-malformed', 'a size is a non-negative safe integer');
    this.#size = edge.size;
    for (let level = 0; hashesAtLevel(edge.size, level) > 0; level++) {
      const hashes = edge.levels[level] ?? new Uint8Array();
      if (hashes.length !== (hashesAtLevel(edge.size, level) % tileWidth) * hashSize) {
        throw new TlogError('edge-malformed', `edge of level ${level} does not fit a tree of ${edge.size}`);
      }
      this.#level(level).set(hashes);
    }
  }

  get size(): number {
    return this.#size;
  }

  /** Adds leaf hashes (flat, 32 bytes each) and returns the tiles they completed, children before parents. */
  append(leafHashes: Uint8Array): Tile[] {
    if (leafHashes.length % hashSize !== 0) throw new TlogError('hash-malformed', 'not a whole number of hashes');
    const completed: Tile[] = [];
    const leaves = this.#level(0);
    for (let at = 0; at < leafHashes.length;) {
      const used = (this.#size % tileWidth) * hashSize;
      const chunk = leafHashes.subarray(at, at + leaves.length - used);
      leaves.set(chunk, used);
      at += chunk.length;
      this.#size += chunk.length / hashSize;
      if (this.#size % tileWidth === 0) this.#complete(0, completed);
    }
    return completed;
  }

  /** Returns a copy of the right edge, from which another builder can go on. */
  edge(): Edge {
    const levels: Uint8Array[] = [];
    for (let level = 0; hashesAtLevel(this.#size, level) > 0; level++) levels.push(Buffer.from(this.#partial(level)));
    return { size: this.#size, levels };
  }

  root(): Buffer {
    let below: Uint8Array = Buffer.alloc(0);
    for (let level = 0; hashesAtLevel(this.#size, level) > 0; level++) {
      const hashes = Buffer.concat([this.#partial(level), below]);
      below = hashes.length > 0 ? foldHashes(hashes) : hashes;
    }
    return foldHashes(below);
  }

  #level(level: number): Buffer {
    return (this.#levels[level] ??= Buffer.alloc(tileWidth * hashSize));
  }

  #partial(level: number): Buffer {
    return this.#level(level).subarray(0, (hashesAtLevel(this.#size, level) % tileWidth) * hashSize);
  }

  /** The level's buffer is full: keep a copy as a tile, hash it into the parent, and start the next one. */
  #complete(level: number, completed: Tile[]): void {
    const hashes = Buffer.from(this.#level(level));
    const count = hashesAtLevel(this.#size, level + 1);
    completed.push({ level, index: count - 1, width: tileWidth, hashes });
    this.#level(level + 1).set(foldHashes(hashes), ((count - 1) % tileWidth) * hashSize);
    if (count % tileWidth === 0) this.#complete(level + 1, completed);
  }
}
