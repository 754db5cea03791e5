import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  decodeBundle, encodeBundle, entriesPath, evaluatePolicy, folderSource, hashSize, newTiles, parseCheckpoint, parseNote, rootAt, sameHash, tilePath, tileWidth, TlogError, verifyLog,
  widthIn, type Checkpoint, type TileSource,
} from '@writ/tlog';
import { verifierPage } from '@writ/site';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { isAddress, sourceAt, trustOf, type TrustOptions } from '../log-policy.js';
import { painted } from '../output.js';
import { readmeOf } from './export-readme.js';

const atOnce = 16;

interface File { path: string; read: () => Promise<Uint8Array>; isWhole: (bytes: Uint8Array) => boolean }

/**
 * Copies the log of one checkpoint into a folder. Files are written whole or not at all, and the checkpoint last: an
 * export that was broken off goes on where it stopped, and never claims entries that it does not hold.
 */
export async function exportLog(folder: string, { from, ...options }: TrustOptions & { from?: string }, { session, output }: Context): Promise<void> {
  const where = from ?? session.variable('WRIT_AUDIT_URL');
  if (!isAddress(where)) throw new Ended(exitCodes.usage, `${where} is not an address.`, 'Give the log’s http or https address.');
  const trust = trustOf(options, session);
  const source = sourceAt(where);
  const note = Buffer.from(await source.readCheckpoint());
  const verdict = evaluatePolicy(trust.policy, parseNote(note));
  if (!verdict.log) throw new Ended(exitCodes.failed, `${where} shows a checkpoint that your key did not sign.`, 'Check the key; if it is right, this is not the log.');
  const earlier = await earlierExport(folder);
  for (const seen of [earlier, trust.remembered]) if (seen) await mustContinue(source, verdict.checkpoint, seen);
  const files = filesOf(source, verdict.checkpoint.size);
  const fetched = await copyAll(folder, files, (done) => output.share(done, files.length, 'files'));
  await writeWhole(join(folder, 'checkpoint'), note);
  await writeWhole(join(folder, 'README.md'), Buffer.from(readmeOf(where, verdict.log.toString(), verdict.checkpoint)));
  await writeWhole(join(folder, 'verify.html'), Buffer.from(verifierPage().html));
  const report = await verifyLog(folderSource(folder), {
    policy: trust.policy, remembered: [trust.remembered, earlier].filter((each) => each !== undefined), onProgress: (checked, total) => output.share(checked, total, 'entries verified'),
  });
  await writeWhole(join(folder, 'SHA256SUMS'), Buffer.from(await sumsOf(folder, ['README.md', 'checkpoint', 'verify.html', ...files.map(({ path }) => path)])));
  output.progressDone();
  const intact = report.findings.length === 0;
  const { size, root } = verdict.checkpoint;
  output.answer({ folder, intact, size, root: Buffer.from(root).toString('base64'), files: files.length + 4, fetched, findings: report.findings }, () => output.facts({
    verdict: intact ? painted('good', 'complete and intact') : painted('bad', 'NOT INTACT'),
    folder,
    entries: size.toLocaleString('en'),
    files: `${(files.length + 4).toLocaleString('en')}, of which ${fetched.toLocaleString('en')} were fetched now`,
    ...Object.fromEntries(report.findings.map(({ code, detail }, i) => [`finding ${i + 1}`, `${code}: ${detail}`])),
    next: intact ? 'hand the folder on; its README.md says how to check it' : undefined,
  }));
  if (!intact) throw new Ended(exitCodes.failed, 'The log is not what it claims to be.', 'Keep the folder as evidence, and compare with another copy of the log.');
  trust.remember(verdict.checkpoint);
}

function filesOf(source: TileSource, size: number): File[] {
  const tiles = newTiles(0, size).map(({ level, index, width }): File => ({
    path: tilePath({ level, index, width }), read: () => source.readTile(level, index, width), isWhole: (bytes) => bytes.length === width * hashSize,
  }));
  const bundles = Array.from({ length: Math.ceil(size / tileWidth) }, (_, index): File => {
    const width = widthIn(size, 0, index);
    // The log may have replaced a partial bundle by the full one; only what the checkpoint covers is kept.
    const read = async () => encodeBundle(decodeBundle(await source.readEntries(index, width), width));
    return { path: entriesPath(index, width), read, isWhole: (bytes) => holds(bytes, width) };
  });
  return [...tiles, ...bundles];
}

function holds(bundle: Uint8Array, width: number): boolean {
  try {
    return encodeBundle(decodeBundle(bundle, width)).length === bundle.length;
  } catch (error) {
    if (error instanceof TlogError) return false;
    throw error;
  }
}

async function copyAll(folder: string, files: readonly File[], onDone: (done: number) => void): Promise<number> {
  const waiting = files.values();
  let done = 0;
  let fetched = 0;
  const work = async (): Promise<void> => {
    for (const { path, read, isWhole } of waiting) {
      const file = join(folder, path);
      if (!existsSync(file) || !isWhole(await readFile(file))) {
        await writeWhole(file, await read());
        fetched += 1;
      }
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return fetched;
}

/** What the folder holds already must be a beginning of what comes. */
async function earlierExport(folder: string): Promise<Checkpoint | undefined> {
  const file = join(folder, 'checkpoint');
  if (existsSync(file)) return parseCheckpoint(parseNote(await readFile(file)).text);
  const there = await stat(folder).catch(() => undefined);
  if (there && !there.isDirectory()) throw new Ended(exitCodes.usage, `${folder} is a file.`, 'Name a folder; it is made where there is none.');
  return undefined;
}

/** Before anything is replaced: a copy of the log as it was is the evidence that it was rewritten. */
async function mustContinue(source: TileSource, { origin, size }: Checkpoint, seen: Checkpoint): Promise<void> {
  const isSame = seen.origin === origin && seen.size <= size && sameHash(await rootAt(source, seen.size, size), seen.root);
  if (!isSame) throw new Ended(exitCodes.failed, `The log does not begin with the ${seen.size} entries of ${seen.origin} that were seen before.`, 'Nothing was changed here. Keep what you have as evidence, and compare with another copy of the log.');
}

async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.part`, bytes);
  await rename(`${file}.part`, file);
}

async function sumsOf(folder: string, paths: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const path of [...paths].sort()) {
    const sum = createHash('sha256');
    for await (const chunk of createReadStream(join(folder, path))) sum.update(chunk as Buffer);
    lines.push(`${sum.digest('hex')}  ${path}\n`);
  }
  return lines.join('');
}
