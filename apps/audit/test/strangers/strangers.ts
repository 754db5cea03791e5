import { execFile, execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { TLogEntryWithInclusionProof } from '@sigstore/bundle';
import { verifyCheckpoint } from '@sigstore/verify/dist/tlog/checkpoint.js';
import { verifyMerkleInclusion } from '@sigstore/verify/dist/tlog/merkle.js';
import { RFC9162 } from '@transmute/rfc9162';
import { folderSource, parseCheckpoint, parseNote, proveConsistency, proveInclusion, tileWidth, type Checkpoint, type VerifierKey } from '@writ/tlog';

const root = resolve(import.meta.dirname, '../../../..');
const gopath = '/usr/share/gocode';

/** A published log as its reader has it: files, a key from elsewhere, and perhaps a checkpoint from an earlier visit. */
export interface Visit {
  dir: string;
  vkey: VerifierKey;
  /** A file with the checkpoint seen earlier. */
  earlier?: string;
}

export type Stranger = (visit: Visit) => Promise<string>;

/** `accepts`, or `refuses: ` and the reader's own words. */
async function verdictOf(check: () => Promise<void>): Promise<string> {
  return check().then(() => 'accepts', (error: Error) => `refuses: ${error.message.trim().split('\n').at(-1)!}`);
}

/** What a log shows to a reader who takes it entry by entry, whatever it is worth. */
async function shownBy(dir: string) {
  const source = folderSource(dir);
  const note = Buffer.from(await source.readCheckpoint()).toString();
  const checkpoint = parseCheckpoint(parseNote(note).text);
  const entries: Uint8Array[] = [];
  for (let at = 0; at < checkpoint.size; at += tileWidth) {
    entries.push(...entriesIn(await source.readEntries(at / tileWidth, Math.min(tileWidth, checkpoint.size - at))));
  }
  return { source, note, checkpoint, entries };
}

/** As many as there are: to miss one is for the reader. */
function entriesIn(bundle: Uint8Array): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let at = 0; at < bundle.length;) {
    const end = at + 2 + bundle[at]! * 256 + bundle[at + 1]!;
    entries.push(bundle.subarray(at + 2, end));
    at = end;
  }
  return entries;
}

/** sigstore-js: the signed checkpoint, and each entry with a proof from the log's tiles. */
export const sigstore: Stranger = ({ dir, vkey }) => verdictOf(async () => {
  const { source, note, checkpoint, entries } = await shownBy(dir);
  const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), vkey.publicKey]);
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  const logs = [{ baseURL: vkey.name, logID: Buffer.from(vkey.id, 'hex'), publicKey, validFor: { start: new Date(0), end: new Date(8e15) } }];
  for (const [index, entry] of entries.entries()) {
    const hashes = (await proveInclusion(source, index, checkpoint.size)).map((hash) => Buffer.from(hash));
    const inclusionProof = { logIndex: String(index), treeSize: String(checkpoint.size), rootHash: Buffer.from(checkpoint.root), hashes, checkpoint: { envelope: note } };
    const asked = { canonicalizedBody: Buffer.from(entry), inclusionProof } as unknown as TLogEntryWithInclusionProof;
    verifyMerkleInclusion(asked, verifyCheckpoint(asked, logs));
  }
});

/** @transmute/rfc9162: the tree over all entries, each inclusion, and consistency. It knows no signatures. */
export const rfc9162: Stranger = ({ dir, earlier }) => verdictOf(async () => {
  const { source, checkpoint, entries } = await shownBy(dir);
  const { size, root: head } = checkpoint;
  if (!await RFC9162.verifyTree(head, entries)) throw new Error('the entries do not have this root');
  for (const [index, entry] of entries.entries()) {
    const inclusion_path = await proveInclusion(source, index, size);
    if (!await RFC9162.verifyInclusionProof(head, await RFC9162.leaf(entry), { log_id: '', tree_size: size, leaf_index: index, inclusion_path })) throw new Error(`entry ${index} is not included`);
  }
  if (earlier === undefined) return;
  const old = checkpointIn(earlier);
  const consistency_path = await proveConsistency(source, old.size, size);
  // RFC 9162 leaves the old root out where its size is a power of two; this package wants it in the proof.
  if (Number.isInteger(Math.log2(old.size))) consistency_path.unshift(Buffer.from(old.root));
  if (!await RFC9162.verifyConsistencyProof(old.root, head, { log_id: '', tree_size_1: old.size, tree_size_2: size, consistency_path })) throw new Error('it does not extend the tree seen earlier');
});

function checkpointIn(file: string): Checkpoint {
  return parseCheckpoint(parseNote(readFileSync(file)).text);
}

/** Why Go's own transparency log cannot be asked on this machine; undefined where it can. */
export const withoutGo = (() => {
  if (!existsSync(join(gopath, 'src/golang.org/x/mod/sumdb/tlog'))) return 'golang.org/x/mod is not installed';
  return process.env.PATH!.split(':').some((folder) => existsSync(join(folder, 'go'))) ? undefined : 'there is no go program';
})();

/** golang.org/x/mod: the checkpoint's signature, every tile and entry, and consistency. Compiled from our small program, offline. */
export const go: Stranger = ({ dir, vkey, earlier }) => verdictOf(async () => {
  await promisify(execFile)(goProgram(), [dir, vkey.toString(), ...(earlier ? [earlier] : [])]);
});

let program: string | undefined;
function goProgram(): string {
  if (program) return program;
  const folder = join(root, '.writ/go');
  mkdirSync(folder, { recursive: true });
  program = join(folder, 'check-log');
  const env = { PATH: process.env.PATH, HOME: folder, GO111MODULE: 'off', GOPATH: gopath, GOFLAGS: '', GOPROXY: 'off', GOCACHE: join(folder, 'cache') };
  execFileSync('go', ['build', '-o', program, join(import.meta.dirname, 'check-log.go')], { env });
  return program;
}
