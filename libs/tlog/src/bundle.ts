import { TlogError } from './errors.js';
import { tileWidth } from './tile.js';

/** The longest entry a bundle can carry, in bytes. */
export const maxEntryBytes = 65_535;

/** Encodes 1 to 256 entries as `u16be length ‖ data` each (C2SP tlog-tiles, entry bundles). Throws `entry-too-long`. */
export function encodeBundle(entries: readonly Uint8Array[]): Buffer {
  if (entries.length < 1 || entries.length > tileWidth) {
    throw new TlogError('bundle-malformed', 'a bundle has 1 to 256 entries');
  }
  const out = Buffer.allocUnsafe(entries.reduce((bytes, entry) => bytes + 2 + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    if (entry.length > maxEntryBytes) throw new TlogError('entry-too-long', `an entry has at most ${maxEntryBytes} bytes`);
    at = out.writeUInt16BE(entry.length, at);
    out.set(entry, at);
    at += entry.length;
  }
  return out;
}

/**
 * Decodes the first `width` entries as views into `bundle`. With `width` below 256 a longer bundle is accepted,
 * because a partial bundle is a prefix of the later ones; a full bundle must end exactly. Throws `bundle-malformed`.
 */
export function decodeBundle(bundle: Uint8Array, width: number): Uint8Array[] {
  if (!Number.isInteger(width) || width < 1 || width > tileWidth) {
    throw new TlogError('bundle-malformed', 'a bundle has 1 to 256 entries');
  }
  const entries: Uint8Array[] = [];
  let at = 0;
  while (entries.length < width) {
    if (at + 2 > bundle.length) throw new TlogError('bundle-malformed', `bundle ends before entry ${entries.length}`);
    const end = at + 2 + bundle[at]! * 256 + bundle[at + 1]!;
    if (end > bundle.length) throw new TlogError('bundle-malformed', `entry ${entries.length} is cut short`);
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  if (width === tileWidth && at !== bundle.length) throw new TlogError('bundle-malformed', 'bytes after the last entry');
  return entries;
}
