import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { LogEntry } from '@writ/contracts';
import {
  decodeBundle, encodeBundle, entriesPath, evaluatePolicy, folderSource, formatPolicy, hashSize, newTiles, parseCheckpoint, parseNote, rootAt, sameHash, tilePath, tileWidth, TlogError,
  widthIn, type Checkpoint, type Policy, type TileSource,
} from '@writ/tlog';
import { checkLog, verifierPage, type LogReport } from '@writ/site';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { isAddress, lastSeen, sourceAt, trustOf, type Trust, type TrustOptions } from '../log-policy.js';
import { checkOpenings, openingsFile, openingsLine } from '../openings.js';
import { factsOf, notTheLog, verdictOf } from './audit-verify.js';
import { readmeOf } from './export-readme.js';

const atOnce = 16;
const openingsPerPage = 200;

export interface ExportOptions extends TrustOptions { from?: string; disclosures?: boolean }
interface File { path: string; read: () => Promise<Uint8Array>; isWhole: (bytes: Uint8Array) => boolean }

/**
 * Copies the log of one checkpoint into a folder. Files are written whole or not at all, and the checkpoint after all
 * that it covers: an export that was broken off goes on where it stopped, and never claims entries that it does not hold.
 */
export async function exportLog(folder: string, { from, disclosures, ...options }: ExportOptions, given: Context): Promise<void> {
  const { session, output } = given;
  const where = from ?? session.address('WRIT_AUDIT_URL');
  if (!isAddress(where)) throw new Ended(exitCodes.usage, `${where} is not an address.`, 'Give the log’s http or https address.');
  const trust = trustOf(options, session);
  const source = sourceAt(where);
  const note = Buffer.from(await source.readCheckpoint());
  const verdict = evaluatePolicy(trust.policy, parseNote(note));
  if (!verdict.log) throw new Ended(exitCodes.failed, `${where} shows a checkpoint that your key did not sign.`, 'Check the key; if it is right, this is not the log.');
  const { size, root, origin } = verdict.checkpoint;
  const earlier = await earlierExport(folder);
  for (const seen of [earlier, lastSeen(trust, origin)]) if (seen) await mustContinue(source, verdict.checkpoint, seen);
  const files = filesOf(source, size);
  const fetched = await copyAll(folder, files, (done) => output.share(done, files.length, 'files'));
  await writeWhole(join(folder, 'checkpoint'), note);
  const report = await checkCopy(folder, trust, earlier, given);
  const paths = [...files.map(({ path }) => path), 'checkpoint', 'entries.jsonl', ...await describe(folder, where, note, trust.policy, verdict.checkpoint)];
  await rm(join(folder, openingsFile), { force: true }); // What another auditor may see is not kept.
  if (disclosures) paths.push(await exportOpenings(folder, size, given));
  const openings = await checkOpenings(folder, size);
  await writeWhole(join(folder, 'SHA256SUMS'), Buffer.from(await sumsOf(folder, paths)));
  output.progressDone();
  const wrong = [...report.findings, ...(openings?.findings ?? [])];
  const findings = [...wrong, ...report.omissions];
  const written = paths.length + 1;
  output.answer({ folder, intact: findings.length === 0, size, root: Buffer.from(root).toString('base64'), files: written, fetched, findings }, () => output.facts({
    verdict: verdictOf(wrong, report.omissions, undefined, 'complete and intact'),
    folder,
    entries: size.toLocaleString('en'),
    files: `${written.toLocaleString('en')}, of which ${fetched.toLocaleString('en')} were fetched now`,
    disclosures: openings && `${openings.shown.toLocaleString('en')} in ${openingsFile}: hand it to nobody who may not see what is personal`,
    ...factsOf(findings),
    next: findings.length === 0 ? 'hand the folder on; its README.md says how to check it' : undefined,
  }));
  if (wrong.length === 0) trust.remember(verdict.checkpoint);
  if (findings.length > 0) throw notTheLog(wrong);
}

/** Verifies what was written, from the folder alone, and writes the entries a second time for tools that read lines. */
async function checkCopy(folder: string, trust: Trust, earlier: Checkpoint | undefined, { output }: Context): Promise<LogReport> {
  const file = join(folder, 'entries.jsonl');
  const lines = await open(`${file}.part`, 'w');
  try {
    const report = await checkLog(folderSource(folder), {
      policy: trust.policy, remembered: [...trust.remembered, ...(earlier ? [earlier] : [])],
      onEntries: async (entries) => { await lines.write(Buffer.concat(entries.flatMap((entry) => [entry, Buffer.from('\n')]))); },
      onProgress: (checked, total) => output.share(checked, total, 'entries verified'),
    });
    await rename(`${file}.part`, file);
    return report;
  } finally {
    await lines.close();
  }
}

/** What a stranger needs beside the log: keys, policy, instructions, every checkpoint that this folder was exported at. */
async function describe(folder: string, where: string, note: Uint8Array, policy: Policy, checkpoint: Checkpoint): Promise<string[]> {
  const log = policy.logs.find(({ key }) => key.name === checkpoint.origin)!.key;
  const keys = [...policy.logs, ...policy.witnesses].map(({ key }) => ({ path: `keys/${key.name.replaceAll(/[^A-Za-z0-9.-]/g, '_')}-${key.id}.vkey`, key }));
  const own = keys.find(({ key }) => key === log)!.path;
  const texts: [string, string | Uint8Array][] = [
    ...keys.map(({ path, key }): [string, string] => [path, `${key.toString()}\n`]),
    ['policy.tlog', formatPolicy(policy)],
    [`checkpoints/${checkpoint.size}`, note],
    ['README.md', readmeOf({ address: where, vkey: log.toString(), keyFile: own, checkpoint })],
    ['verify.html', verifierPage().html],
  ];
  for (const [path, text] of texts) await writeWhole(join(folder, path), Buffer.from(text));
  const kept = (await readdir(join(folder, 'checkpoints'))).map((name) => `checkpoints/${name}`);
  return [...new Set([...texts.map(([path]) => path), ...kept])];
}

/** The personal fields of every entry, as far as the caller may see them and nobody erased them. */
async function exportOpenings(folder: string, size: number, { session, output }: Context): Promise<string> {
  const lines = await open(join(folder, `${openingsFile}.part`), 'w', 0o600);
  try {
    for await (const { index, disclosures } of session.writ('auditor').audit.pages<LogEntry>('/v1/entries', { limit: openingsPerPage })) {
      if (index < size && disclosures.length > 0) await lines.write(openingsLine({ index, disclosures }));
      output.share(size - index, size, 'entries asked for what is personal in them');
    }
  } finally {
    await lines.close();
  }
  await rename(join(folder, `${openingsFile}.part`), join(folder, openingsFile));
  return openingsFile;
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
