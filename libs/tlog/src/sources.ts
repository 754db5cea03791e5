import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TlogError } from './errors.js';
import { hashSize } from './hash.js';
import type { TileReader } from './proof.js';
import { entriesPath, tilePath, tileWidth } from './tile.js';

/** A published log: checkpoint, tiles and entry bundles. */
export interface TileSource extends TileReader {
  /** Reads the newest checkpoint note. */
  readCheckpoint(): Promise<Uint8Array>;
  /** Reads an entry bundle of at least `width` entries. */
  readEntries(index: number, width: number): Promise<Uint8Array>;
}

/** Reads the file at a path below the log's prefix; undefined when there is none. */
export type PathReader = (path: string) => Promise<Uint8Array | undefined>;

export interface UrlSourceOptions {
  /** Per request, default 10 s. */
  timeoutMs?: number;
  headers?: Record<string, string>;
  fetch?: typeof fetch;
}

/** The largest file of a log: a bundle of 256 entries of 65,535 bytes. */
const maxFileBytes = tileWidth * (2 + 65_535);

/** Reads a log from a folder laid out as C2SP tlog-tiles. Throws `source-missing`. */
export function folderSource(folder: string): TileSource {
  return tileSource(async (path) => {
    try {
      return await readFile(join(folder, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  });
}

/** Reads a log over HTTP from its prefix. Throws `source-missing`, `source-unreachable`. */
export function urlSource(prefix: string, options: UrlSourceOptions = {}): TileSource {
  const send = options.fetch ?? fetch;
  return tileSource(async (path) => {
    const url = `${prefix.replace(/\/$/, '')}/${path}`;
    try {
      const signal = AbortSignal.timeout(options.timeoutMs ?? 10_000);
      const response = await send(url, { signal, headers: options.headers });
      if (response.status === 404 || response.status === 410) {
        await response.body?.cancel();
        return undefined;
      }
      if (!response.ok) throw new TlogError('source-unreachable', `${url} answered ${response.status}`);
      return await readBounded(response, url);
    } catch (cause) {
      if (cause instanceof TlogError) throw cause;
      throw new TlogError('source-unreachable', `no answer from ${url}`, { cause });
    }
  });
}

/**
 * Makes a source of anything that maps paths to bytes, such as an object store. A partial tile or bundle that is
 * gone is read from the full one, as the format allows a log to delete it then.
 */
export function tileSource(read: PathReader): TileSource {
  const need = async (...paths: string[]): Promise<Uint8Array> => {
    for (const path of paths) {
      const bytes = await read(path);
      if (bytes) return bytes;
    }
    throw new TlogError('source-missing', `${paths[0]} is not there`);
  };
  const widths = (width: number) => (width === tileWidth ? [width] : [width, tileWidth]);
  return {
    readCheckpoint: () => need('checkpoint'),
    readEntries: (index, width) => need(...widths(width).map((w) => entriesPath(index, w))),
    readTile: async (level, index, width) => {
      const bytes = await need(...widths(width).map((w) => tilePath({ level, index, width: w })));
      return bytes.length === tileWidth * hashSize ? bytes.subarray(0, width * hashSize) : bytes;
    },
  };
}

async function readBounded(response: Response, url: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > maxFileBytes) throw new TlogError('source-unreachable', `${url} is too long for a file of a log`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
