import {
  decodeBundle, emptyRoot, filesBetween, openCheckpoint, readEdge, rootOfEdge, sameHash, tileWidth, TlogError, widthIn,
  type Checkpoint, type EntryReader, type TileSource, type VerifierKey,
} from '@writ/tlog';

/** Where a published log is copied to: anything that keeps bytes under paths, and serves them to strangers. */
export interface MirrorTarget {
  /** The bytes under a path; undefined where there are none. */
  get(path: string): Promise<Uint8Array | undefined>;
  /** Stores bytes whole or not at all, and durably when it returns. */
  put(path: string, bytes: Uint8Array, contentType: string): Promise<void>;
}

export interface Mirrored {
  /** Entries that the mirror had before, and has now. */
  from: number;
  to: number;
  /** Files written. */
  files: number;
}

/** The mirror holds something that is not a beginning of the log, so nothing is written over it. */
export class MirrorDiffers extends Error {
  override readonly name = 'MirrorDiffers';
}

const putsAtOnce = 8;

/** What a path of a published log is served as. Tiles never change under their path; a checkpoint is the newest for a second. */
export function contentTypeOf(path: string): string {
  if (path.endsWith('.html')) return 'text/html; charset=utf-8';
  return path.startsWith('tile/') ? 'application/octet-stream' : 'text/plain; charset=utf-8';
}

/**
 * Brings a mirror up to a checkpoint: the files it lacks, then, when their entries have the signed root, the checkpoint.
 * A copy that breaks off goes on where its checkpoint says; a mirror that is ahead is left alone. The caller sees to it
 * that one copies at a time: an object store does not refuse to go back.
 * @throws MirrorDiffers where the mirror is not a beginning of the log
 * @throws TlogError where the log's own files do not fit its checkpoint; the mirror's checkpoint stays as it was
 */
export async function mirrorLog(
  source: TileSource, note: Uint8Array, keys: readonly VerifierKey[], target: MirrorTarget, onProgress: (entries: number, total: number) => void = () => undefined,
): Promise<Mirrored> {
  const head = openCheckpoint(note, keys);
  const before = await headOf(target, keys);
  if (before.size > head.size || (before.size === head.size && sameHash(before.root, head.root))) return { from: before.size, to: before.size, files: 0 };
  const edge = await readEdge(source, before.size, head.size);
  if (!sameHash(rootOfEdge(edge), before.root)) throw new MirrorDiffers(`The ${before.size} entries of the mirror are not those that the log begins with.`);
  let files = 1;
  const puts = new Set<Promise<void>>();
  const growth = filesBetween(edge, head.size, readerOf(source, head.size, (done) => onProgress(done, head.size)));
  for (let next = await growth.next(); ; next = await growth.next()) {
    if (next.done) {
      await Promise.all(puts);
      if (!sameHash(next.value, head.root)) throw new TlogError('proof-invalid', `the ${head.size} entries do not hash to the signed root`);
      break;
    }
    const { path, bytes } = next.value;
    // One that fails stays in the set, where the next wait meets it; until then it must not count as unhandled.
    const put = target.put(path, bytes, contentTypeOf(path)).then(() => void puts.delete(put));
    put.catch(() => undefined);
    puts.add(put);
    files++;
    if (puts.size >= putsAtOnce) await Promise.race(puts);
  }
  await target.put('checkpoint', note, contentTypeOf('checkpoint'));
  return { from: before.size, to: head.size, files };
}

async function headOf(target: MirrorTarget, keys: readonly VerifierKey[]): Promise<Pick<Checkpoint, 'size' | 'root'>> {
  const note = await target.get('checkpoint');
  if (!note) return { size: 0, root: emptyRoot };
  try {
    return openCheckpoint(note, keys);
  } catch (cause) {
    if (cause instanceof TlogError) throw new MirrorDiffers('The checkpoint of the mirror is not signed with the log’s key.', { cause });
    throw cause;
  }
}

function readerOf(source: TileSource, size: number, onRead: (end: number) => void): EntryReader {
  return async (start, end) => {
    const indices = Array.from({ length: Math.ceil((end - start) / tileWidth) }, (_, i) => start / tileWidth + i);
    const bundles = await Promise.all(indices.map(async (index) => {
      const width = widthIn(size, 0, index);
      return decodeBundle(await source.readEntries(index, width), width);
    }));
    onRead(end);
    return bundles.flat();
  };
}
