import {
  appendLeaves, decodeBundle, emptyRoot, hashLeaves, rootAt, sameHash, tilePath, tileWidth, TreeBuilder, widthIn, type Edge, type TileSource,
} from '@writ/tlog';
import type { Db, Transactions, Tx } from '@writ/messaging';
import { parseLeaf, type Leaf } from '../entries/leaf.js';
import { packed } from '../entries/packed.js';
import { headsOf, writeHeads } from '../heads/heads.store.js';
import { checkedEdge, lockedHead, LogTampered, moveHead, writeTiles, type LogHead, type TreeHead } from '../site/log.store.js';
import type { ErasedText } from '../subjects/erase.js';
import type { SubjectStore } from '../subjects/subject.store.js';

const bundlesAtOnce = 16;

export interface RecoverOptions {
  onProgress: (done: number, total: number) => void;
  /** Runs in the transaction of the last entries: what it says is said exactly when they are there. */
  onLast: (tx: Tx<'audit'>, from: number, to: number) => Promise<void>;
}

export interface Recovery {
  from: number;
  to: number;
  /** People, requests and tokens that were erased since the backup, had come back with it, and are erased again. */
  erasedAgain: number;
}

/**
 * Brings a restored database up to what was signed, from the published files: they were written before the signature,
 * so they hold it all. All of them are hashed to the signed root before the first is written; then they are committed
 * piece by piece, each with the root that it had then. A crash is followed by running it again.
 * What people wrote is not in the files: those openings stay lost, and the monitor is told by a leaf. Who was erased since
 * the backup is erased again with the leaf that says so.
 * @throws LogTampered where database, files and signed head are not one log
 */
export async function recoverEntries(
  transactions: Transactions<'audit'>, origin: string, files: TileSource, signed: TreeHead, subjects: SubjectStore, { onProgress, onLast }: RecoverOptions,
): Promise<Recovery> {
  const start = await transactions.run(({ db }) => startOf(db, origin, files, signed));
  const { logId, size } = start;
  if (size >= signed.size) return { from: size, to: size, erasedAgain: 0 };
  const roots = await rehearse(files, start.edge, signed);
  let erasedAgain = 0;
  for (let at = size; at < signed.size;) {
    at = await transactions.run(async (tx) => {
      const head = await lockedHead(tx.db, origin);
      const end = pieceEnd(head.size, signed.size);
      const leaves = await leavesIn(files, head.size, end, signed.size);
      const growth = appendLeaves(await checkedEdge(tx.db, head), hashLeaves(leaves));
      if (!sameHash(growth.root, roots.get(end) ?? emptyRoot)) throw new LogTampered(`The published entries up to ${end - 1} changed while they were read.`);
      const parsed = leaves.map(parseLeaf);
      await writeLeaves(tx.db, head, leaves, parsed);
      await followHeads(tx.db, logId, parsed);
      for (const { type, data } of parsed) if (type === 'pii.erased') erasedAgain += await subjects.eraseAgain(tx.db, logId, data as ErasedText);
      await writeTiles(tx.db, head, growth);
      await moveHead(tx.db, head, growth, new Date(parsed.at(-1)!.rec));
      if (end === signed.size) await onLast(tx, await firstRecovered(tx.db, logId), end);
      return end;
    });
    onProgress(at, signed.size);
  }
  return { from: size, to: signed.size, erasedAgain };
}

async function startOf(db: Db, origin: string, files: TileSource, signed: TreeHead): Promise<LogHead & { edge: Edge }> {
  const head = await lockedHead(db, origin);
  const edge = await checkedEdge(db, head);
  if (head.size > signed.size) return { ...head, edge };
  if (!sameHash(await rootAt(files, signed.size), signed.root)) throw new LogTampered(`The files do not hold the ${signed.size} entries that were signed.`);
  const root = head.size === 0 ? emptyRoot : await rootAt(files, head.size, signed.size);
  if (!sameHash(root, head.root)) {
    throw new LogTampered(
      `The ${head.size} entries of the database are not those that were published: restore the backup again, and recover before the service starts.`,
    );
  }
  return { ...head, edge };
}

/** Hashes every file that will be used, and writes nothing: tiles alone do not show a bundle that was damaged or forged. */
async function rehearse(files: TileSource, edge: Edge, signed: TreeHead): Promise<Map<number, Buffer>> {
  const builder = new TreeBuilder(edge);
  const roots = new Map<number, Buffer>();
  for (let at = edge.size; at < signed.size;) {
    const end = pieceEnd(at, signed.size);
    const leaves = await leavesIn(files, at, end, signed.size);
    for (const tile of builder.append(hashLeaves(leaves))) {
      const published = await files.readTile(tile.level, tile.index, tile.width);
      if (Buffer.compare(published, tile.hashes) !== 0) {
        throw new LogTampered(`The published entries do not have the hashes of ${tilePath(tile)}: take another copy of the files.`);
      }
    }
    roots.set(end, builder.root());
    at = end;
  }
  if (!sameHash(builder.root(), signed.root)) throw new LogTampered(`The ${signed.size} published entries do not hash to the signed root: take another copy of the files.`);
  return roots;
}

/** Both passes stop at the same places, also when the second goes on after a crash. */
function pieceEnd(at: number, target: number): number {
  return Math.min(target, (Math.floor(at / tileWidth) + bundlesAtOnce) * tileWidth);
}

async function leavesIn(files: TileSource, from: number, end: number, target: number): Promise<Uint8Array[]> {
  const leaves: Uint8Array[] = [];
  for (let at = from; at < end;) {
    const bundle = Math.floor(at / tileWidth);
    const width = widthIn(target, 0, bundle);
    leaves.push(...decodeBundle(await files.readEntries(bundle, width), width).slice(at - bundle * tileWidth));
    at = bundle * tileWidth + width;
  }
  return leaves;
}

/** Where the recovery began, also when it was broken off in between: what came from files has no digest of its event. */
async function firstRecovered(db: Db, logId: number): Promise<number> {
  const [row] = await db.query<{ first: string }>(
    `SELECT min(seq) AS first FROM tlog_entry WHERE log_id = $1 AND digest IS NULL
       AND seq > coalesce((SELECT max(seq) FROM tlog_entry WHERE log_id = $1 AND type = 'log.recovered' AND digest IS NOT NULL), -1)`, [logId],
  );
  return Number(row!.first);
}

async function followHeads(db: Db, logId: number, leaves: readonly Leaf[]): Promise<void> {
  const heads = await headsOf(db, logId, leaves.flatMap(({ token }) => token ?? []));
  for (const { token, seq, k } of leaves) {
    if (token !== undefined) heads.set(token, { token, index: Number(seq), k: Math.max(Number(k ?? 0), heads.get(token)?.k ?? 0) });
  }
  await writeHeads(db, logId, heads);
}

async function writeLeaves(db: Db, { logId, size }: LogHead, leaves: readonly Uint8Array[], parsed: readonly Leaf[]): Promise<void> {
  const { bytes, places } = packed(leaves);
  const rows = parsed.map(({ id, type, token, request, k, rec }, i) => ({
    seq: size + i, event_id: id, type, token_id: token, request_id: request, k: k === undefined ? undefined : Number(k), recorded_at: rec, ...places[i],
  }));
  await db.query(
    `INSERT INTO tlog_entry (log_id, seq, event_id, type, token_id, request_id, k, recorded_at, leaf)
     SELECT $1, seq, event_id, type, token_id, request_id, k, recorded_at, substr($2::bytea, at, length)
     FROM json_to_recordset($3::json) AS r(seq bigint, event_id text, type text, token_id text, request_id text, k int, recorded_at timestamptz, at int, length int)`,
    [logId, bytes, JSON.stringify(rows)],
  );
}
