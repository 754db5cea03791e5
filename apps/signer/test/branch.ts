import { foldHashes, hashLeaf, proveConsistency, rootOf, tileWidth, type TileReader } from '@writ/tlog';

/** A tree as the list of its leaf hashes; two branches of one log share a beginning. */
export class Branch {
  constructor(readonly leaves: readonly Buffer[] = []) {}

  get size(): number {
    return this.leaves.length;
  }

  /** Adds leaves that no other branch has. */
  grow(count: number, mark: string): Branch {
    return new Branch([...this.leaves, ...Array.from({ length: count }, (_, i) => hashLeaf(Buffer.from(`${mark} ${i}`)))]);
  }

  rootAt(size: number): Buffer {
    return rootOf(this.leaves.slice(0, size));
  }

  proveFrom(size: number): Promise<Buffer[]> {
    const reader: TileReader = {
      readTile: async (level, index, width) => {
        const first = index * tileWidth;
        return Buffer.concat(Array.from({ length: width }, (_, i) => this.#hash(level, first + i)));
      },
    };
    return proveConsistency(reader, size, this.size);
  }

  #hash(level: number, index: number): Buffer {
    const leaves = tileWidth ** level;
    return foldHashes(Buffer.concat(this.leaves.slice(index * leaves, (index + 1) * leaves)));
  }
}
