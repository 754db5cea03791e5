import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Injectable } from '@nestjs/common';
import {
  decodeBundle, emptyRoot, encodeBundle, entriesPath, filesBetween, folderSource, parseTilePath, readEdge, rootOfEdge,
  sameHash, tilePath, tileWidth, type EntryReader, type TileSource,
} from '@writ/tlog';
import { AuditConfig } from '../config.js';
import { headOfNote, LogTampered, type PublishedHead, type TreeHead } from './log.store.js';

let temporaries = 0;

/**
 * The published files, and this replica's own memory of the log: what once stood here is never read from the database
 * again. Every file is written beside its place, synced and renamed; tiles and bundles first, the checkpoint last.
 */
@Injectable()
export class Site {
  readonly tiles: TileSource;
  private readonly dir: string;

  constructor(config: AuditConfig) {
    this.dir = config.siteDir;
    this.tiles = folderSource(this.dir);
  }

  /** Removes what a process left that died while it wrote: files beside their places, which nobody reads. */
  async sweep(): Promise<void> {
    const names = await readdir(this.dir, { recursive: true }).catch(() => []);
    for (const name of names) if (name.endsWith('.tmp')) await rm(join(this.dir, name), { force: true });
  }

  /** The published checkpoint, or the empty tree. */
  async head(): Promise<PublishedHead> {
    const bytes = await this.file('checkpoint');
    if (!bytes) return { size: 0, root: emptyRoot, note: '' };
    return headOfNote(bytes.toString());
  }

  /**
   * Writes everything that a checkpoint of `size` needs, growing from the published one, and computes its root from the
   * leaves. Nothing is served as signed by this: a crash leaves files that the next call writes again.
   * @throws LogTampered where the published files do not have the published root
   */
  async extend(from: TreeHead, size: number, leaves: EntryReader): Promise<Buffer> {
    const edge = await readEdge(this.tiles, from.size);
    if (!sameHash(rootOfEdge(edge), from.root)) throw new LogTampered('The published tiles do not have the published root.');
    const folders = new Set<string>();
    const own = await this.partialBundle(from.size);
    // What stands in our own unfinished bundle is not read from the database again.
    const files = filesBetween(edge, size, async (start, end) => (start < from.size ? [...own, ...await leaves(from.size, end)] : leaves(start, end)));
    for (let next = await files.next(); ; next = await files.next()) {
      if (!next.done) {
        await this.write(next.value.path, next.value.bytes, folders);
        continue;
      }
      for (const folder of folders) await sync(folder);
      return next.value;
    }
  }

  /** Publishes a checkpoint whose files are written. An older one than the published is left out: nobody goes back. */
  async publish(note: string): Promise<void> {
    const { size } = headOfNote(note);
    const before = await this.head();
    if (before.size > size) return;
    const folders = new Set<string>();
    await this.write('checkpoint', Buffer.from(note), folders);
    for (const folder of folders) await sync(folder);
    await this.dropPartials(before.size, size);
  }

  /**
   * The bytes of a tile or bundle; a partial tile or bundle that is gone is cut from the full one.
   * @throws TlogError `tile-path-malformed` before anything is read: no path leads out of the folder
   */
  async read(path: string): Promise<Buffer | undefined> {
    const at = parseTilePath(path);
    const found = await this.file(path);
    if (found || at.width === tileWidth) return found;
    const full = await this.file(at.kind === 'tile' ? tilePath({ ...at, width: tileWidth }) : entriesPath(at.index, tileWidth));
    if (!full) return undefined;
    return at.kind === 'tile' ? full.subarray(0, at.width * 32) : encodeBundle(decodeBundle(full, tileWidth).slice(0, at.width));
  }

  private async partialBundle(size: number): Promise<Uint8Array[]> {
    const width = size % tileWidth;
    return width === 0 ? [] : decodeBundle(await this.tiles.readEntries(Math.floor(size / tileWidth), width), width);
  }

  /** Partial files of places that are full by now: the format lets them go, and there may be one per second. */
  private async dropPartials(oldSize: number, size: number): Promise<void> {
    for (let level = 0, old = oldSize, now = size; old > 0; level++, old = Math.floor(old / tileWidth), now = Math.floor(now / tileWidth)) {
      const index = Math.floor(old / tileWidth);
      if (old % tileWidth === 0 || Math.floor(now / tileWidth) <= index) continue;
      await rm(join(this.dir, `${tilePath({ level, index, width: tileWidth })}.p`), { recursive: true, force: true });
      if (level === 0) await rm(join(this.dir, `${entriesPath(index, tileWidth)}.p`), { recursive: true, force: true });
    }
  }

  private async write(path: string, bytes: Uint8Array, folders: Set<string>): Promise<void> {
    const target = join(this.dir, path);
    const folder = dirname(target);
    if (!folders.has(folder)) await makeFolder(folder, this.dir, folders);
    const temporary = `${target}.${process.pid}-${temporaries++}.tmp`;
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  }

  private async file(path: string): Promise<Buffer | undefined> {
    try {
      return await readFile(join(this.dir, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR') return undefined;
      throw error;
    }
  }
}

/** Makes a folder, and remembers it and those above it to be synced: a name is durable when its folder is. */
async function makeFolder(folder: string, top: string, folders: Set<string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (let at = folder; at.length >= top.length; at = dirname(at)) folders.add(at);
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
