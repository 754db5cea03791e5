import {
  appendLeaves, emptyEdge, encodeBundle, entriesPath, hashLeaves, SignerKey, signCheckpoint, tilePath, tileSource, tileWidth,
  type Edge, type TileSource,
} from '@writ/tlog';

export const decimal = (i: number) => Buffer.from(String(i));
export const decimals = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => decimal(from + i));

export const logKey = new SignerKey('audit.example.com/tokens', 0x01, Buffer.from(Array.from({ length: 32 }, (_, i) => i)));
export const witnessKey = new SignerKey('witness.example.com/w1', 0x04, Buffer.from(Array.from({ length: 32 }, (_, i) => 32 + i)));

/** A log published into a map, as the files a folder or bucket would hold. */
export class MemoryLog {
  readonly files = new Map<string, Buffer>();
  readonly entries: Buffer[] = [];
  edge: Edge = emptyEdge;
  root: Buffer = Buffer.alloc(0);

  static of(size: number): MemoryLog {
    return new MemoryLog().grow(decimals(0, size));
  }

  grow(entries: Buffer[]): this {
    const first = Math.floor(this.entries.length / tileWidth);
    const growth = appendLeaves(this.edge, hashLeaves(entries));
    this.entries.push(...entries);
    for (const tile of growth.tiles) this.files.set(tilePath(tile), tile.hashes);
    for (let index = first; index * tileWidth < this.entries.length; index++) {
      const bundle = this.entries.slice(index * tileWidth, (index + 1) * tileWidth);
      this.files.set(entriesPath(index, bundle.length), encodeBundle(bundle));
    }
    this.edge = growth.edge;
    this.root = growth.root;
    this.sign();
    return this;
  }

  sign(): void {
    const checkpoint = { origin: logKey.verifier.name, size: this.entries.length, root: this.root };
    this.files.set('checkpoint', Buffer.from(signCheckpoint(checkpoint, logKey)));
  }

  get source(): TileSource {
    return tileSource(async (path) => this.files.get(path));
  }
}
