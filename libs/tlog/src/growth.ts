import { encodeBundle } from './bundle.js';
import { TlogError } from './errors.js';
import { hashLeaves, hashSize } from './hash.js';
import { edgeTiles, entriesPath, tilePath, tileWidth } from './tile.js';
import { TreeBuilder, type Edge } from './tree.js';

/** A file of a published log, by its path below the log's prefix. */
export interface LogFile {
  path: string;
  bytes: Uint8Array;
}

/** Reads the entries [start, end), all of them. */
export type EntryReader = (start: number, end: number) => Promise<readonly Uint8Array[]>;

const bundlesAtOnce = 16;

/**
 * Yields every file that a checkpoint of `size` needs beyond those of the tree that ends in `edge`, and returns the root
 * of the entries read. Compare it with the signed one before that checkpoint is published. The entries of an unfinished
 * bundle are read again, and must be those the edge was made of. Throws `bundle-malformed`, `edge-malformed`.
 */
export async function* filesBetween(edge: Edge, size: number, read: EntryReader): AsyncGenerator<LogFile, Buffer> {
  if (size < edge.size) throw new TlogError('size-malformed', 'sizes must ascend');
  const builder = new TreeBuilder(edge);
  for (let at = edge.size - (edge.size % tileWidth); at < size;) {
    const end = Math.min(size, at + bundlesAtOnce * tileWidth);
    const entries = await read(at, end);
    if (entries.length !== end - at) throw new TlogError('bundle-malformed', `of the entries ${at} to ${end - 1} only ${entries.length} are there`);
    const hashes = hashLeaves(entries);
    const known = Math.max(0, edge.size - at) * hashSize;
    if (known > 0 && Buffer.compare(hashes.subarray(0, known), edge.levels[0]!) !== 0) throw new TlogError('edge-malformed', `the entries from ${at} on are not those of the tree`);
    for (const tile of builder.append(hashes.subarray(known))) yield { path: tilePath(tile), bytes: tile.hashes };
    for (let from = 0; from < entries.length; from += tileWidth) {
      const bundle = entries.slice(from, from + tileWidth);
      yield { path: entriesPath((at + from) / tileWidth, bundle.length), bytes: encodeBundle(bundle) };
    }
    at = end;
  }
  const { levels } = builder.edge();
  for (const at of edgeTiles(size)) yield { path: tilePath(at), bytes: levels[at.level]! };
  return builder.root();
}
