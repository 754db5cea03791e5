import { appendLeaves, decodeBundle, emptyRoot, hashLeaves, rootAt, sameHash, tileWidth, type TileSource } from '@writ/tlog';
import type { Db, Transactions } from '@writ/messaging';
import { checkedEdge, LogTampered, moveHead, writeTiles, type LogHead } from '../entries/append.store.js';
import { parseLeaf } from '../entries/leaf.js';
import { packed } from '../entries/packed.js';
import type { TreeHead } from '../site/signer.client.js';

const bundlesAtOnce = 16;

/**
 * Brings a restored database up to what was signed, from the published files: they were written before the signature,
 * so they hold it all. Committed piece by piece, each with its root; a crash is followed by running it again.
 * What people wrote is not in the files: those openings stay lost, and the monitor is told by a leaf.
 * @throws LogTampered where database, files and signed head are not one log; nothing is written then
 */
export async function recoverEntries(
  transactions: Transactions<'audit'>, origin: string, files: TileSource, signed: TreeHead, onProgress: (done: number, total: number) => void,
): Promise<{ from: number; to: number }> {
  const from = await transactions.run(async ({ db }) => {
    const head = await lockHead(db, origin);
    if (head.size > signed.size) return head.size;
    if (!sameHash(await rootAt(files, signed.size), signed.root)) throw new LogTampered(`The files do not hold the ${signed.size} entries that were signed.`);
    const root = head.size === 0 ? emptyRoot : await rootAt(files, head.size, signed.size);
    if (!sameHash(root, head.root)) throw new LogTampered(`The ${head.size} entries of the database are not those that were published: restore the backup again, and recover before the service starts.`);
    return head.size;
  });
  for (let at = from; at < signed.size;) {
    at = await transactions.run(({ db }) => recoverSome(db, origin, files, signed.size));
    onProgress(at, signed.size);
  }
  return { from, to: Math.max(from, signed.size) };
}

async function recoverSome(db: Db, origin: string, files: TileSource, target: number): Promise<number> {
  const head = await lockHead(db, origin);
  const end = Math.min(target, (Math.floor(head.size / tileWidth) + bundlesAtOnce) * tileWidth);
  const leaves: Uint8Array[] = [];
  for (let at = head.size; at < end;) {
    const bundle = Math.floor(at / tileWidth);
    const width = Math.min(tileWidth, target - bundle * tileWidth);
    leaves.push(...decodeBundle(await files.readEntries(bundle, width), width).slice(at - bundle * tileWidth));
    at = bundle * tileWidth + width;
  }
  const growth = appendLeaves(await checkedEdge(db, head), hashLeaves(leaves));
  const recordedAt = await writeLeaves(db, head, leaves);
  await writeTiles(db, head, growth);
  await moveHead(db, head, growth, recordedAt);
  return growth.edge.size;
}

async function writeLeaves(db: Db, { logId, size }: LogHead, leaves: readonly Uint8Array[]): Promise<Date> {
  const { bytes, places } = packed(leaves);
  const parsed = leaves.map(parseLeaf);
  const rows = parsed.map(({ id, type, token, request, k, rec }, i) => ({
    seq: size + i, event_id: id, type, token_id: token, request_id: request, k: k === undefined ? undefined : Number(k), recorded_at: rec, ...places[i],
  }));
  await db.query(
    `INSERT INTO tlog_entry (log_id, seq, event_id, type, token_id, request_id, k, recorded_at, leaf)
     SELECT $1, seq, event_id, type, token_id, request_id, k, recorded_at, substr($2::bytea, at, length)
     FROM json_to_recordset($3::json) AS r(seq bigint, event_id text, type text, token_id text, request_id text, k int, recorded_at timestamptz, at int, length int)`,
    [logId, bytes, JSON.stringify(rows)],
  );
  return new Date(parsed.at(-1)!.rec);
}

async function lockHead(db: Db, origin: string): Promise<LogHead> {
  const [row] = await db.query<{ log_id: number; size: string; root: Buffer; recorded_at: Date }>('SELECT log_id, size, root, recorded_at FROM tlog WHERE origin = $1 FOR UPDATE', [origin]);
  if (!row) throw new LogTampered(`The log ${origin} has no row.`);
  return { logId: row.log_id, size: Number(row.size), root: row.root, recordedAt: row.recorded_at };
}
