import { parseDecimal, isSize } from './encoding.js';
import { TlogError } from './errors.js';

/** Hashes in a full tile, entries in a full bundle (C2SP tlog-tiles: height 8). */
export const tileWidth = 256;

/** Where a tile lies: `width` hashes of level `level`, 256 when full, 1 to 255 when partial. */
export interface TileCoordinate {
  level: number;
  index: number;
  width: number;
}

/** A tile with its `width` * 32 bytes. A partial tile is a byte prefix of every later tile of the same place. */
export interface Tile extends TileCoordinate {
  hashes: Buffer;
}

export type ParsedTilePath = ({ kind: 'tile' } & TileCoordinate) | { kind: 'entries'; index: number; width: number };

/** Returns how many complete hashes level `level` has in a tree of `size` entries. */
export function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / 2 ** (8 * level));
}

/** Returns the width that tile (level, index) has in a tree of `size` entries; 0 when it does not exist yet. */
export function widthIn(size: number, level: number, index: number): number {
  return Math.max(0, Math.min(tileWidth, hashesAtLevel(size, level) - index * tileWidth));
}

/** Lists the partial tiles on the right edge of a tree, level 0 first; levels whose edge is empty are left out. */
export function edgeTiles(size: number): TileCoordinate[] {
  const tiles: TileCoordinate[] = [];
  for (let level = 0, count = size; count > 0; level++, count = hashesAtLevel(size, level)) {
    const width = count % tileWidth;
    if (width > 0) tiles.push({ level, index: Math.floor(count / tileWidth), width });
  }
  return tiles;
}

/**
 * Lists the tiles of a tree of `size` that a tree of `oldSize` did not have in this width, level 0 first,
 * ascending index: everything to write before a checkpoint of `size` may be published.
 */
export function newTiles(oldSize: number, size: number): TileCoordinate[] {
  if (!isSize(oldSize) || !isSize(size) || oldSize > size) throw new TlogError('size-malformed', 'sizes must ascend');
  const tiles: TileCoordinate[] = [];
  for (let level = 0; hashesAtLevel(size, level) > 0; level++) {
    const had = hashesAtLevel(oldSize, level);
    const has = hashesAtLevel(size, level);
    if (had === has) continue;
    for (let index = Math.floor(had / tileWidth); index * tileWidth < has; index++) {
      tiles.push({ level, index, width: widthIn(size, level, index) });
    }
  }
  return tiles;
}

/** Formats `tile/<L>/<N>[.p/<W>]`, relative to the log's prefix. */
export function tilePath({ level, index, width }: TileCoordinate): string {
  if (!Number.isInteger(level) || level < 0 || level > 63) {
    throw new TlogError('tile-path-malformed', 'a level is 0 to 63');
  }
  return `tile/${level}/${position(index, width)}`;
}

/** Formats `tile/entries/<N>[.p/<W>]`, relative to the log's prefix. */
export function entriesPath(index: number, width: number): string {
  return `tile/entries/${position(index, width)}`;
}

/** Parses both kinds of path; every path has one spelling. Throws `tile-path-malformed`. */
export function parseTilePath(path: string): ParsedTilePath {
  const match = /^tile\/(entries|[0-9]{1,2})\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([0-9]{1,3}))?$/.exec(path);
  if (!match) throw new TlogError('tile-path-malformed', 'not a tile or entries path');
  const [, kind, groups, partial] = match as unknown as [string, string, string, string | undefined];
  const index = Number(groups.replace(/[x/]/g, ''));
  const width = partial === undefined ? tileWidth : parseDecimal(partial, 'tile-path-malformed');
  const parsed: ParsedTilePath = kind === 'entries'
    ? { kind, index, width }
    : { kind: 'tile', level: parseDecimal(kind, 'tile-path-malformed'), index, width };
  const canonical = parsed.kind === 'tile' ? tilePath(parsed) : entriesPath(index, width);
  if (canonical !== path) throw new TlogError('tile-path-malformed', 'not the canonical spelling of this path');
  return parsed;
}

function position(index: number, width: number): string {
  if (!isSize(index)) throw new TlogError('tile-path-malformed', 'an index is a non-negative safe integer');
  if (!Number.isInteger(width) || width < 1 || width > tileWidth) {
    throw new TlogError('tile-path-malformed', 'a width is 1 to 256');
  }
  const groups = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  }
  return groups.join('/') + (width === tileWidth ? '' : `.p/${width}`);
}
