import { Injectable } from '@nestjs/common';
import type { LogEntry, RequestId, TokenId } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import { refOf } from '../subjects/subject.store.js';
import { personOf } from './candidate.js';
import { opened, placeOf, readBox } from './disclosure.js';

export interface EntryFilter {
  token?: string;
  request?: string;
  actor?: string;
  type?: string;
  event?: string;
  from?: Date;
  to?: Date;
  /** Only entries before this index. */
  before?: number;
  limit: number;
}

interface EntryRow {
  seq: string;
  event_id: string;
  type: string;
  token_id: TokenId | null;
  request_id: RequestId | null;
  recorded_at: Date;
  leaf: Buffer;
}

/** A token's uses in one batch, with the flat hashes of the whole batch. */
export interface TokenUses {
  entry: LogEntry;
  hashes: Buffer;
  uses: [place: number, text: string][];
}

const columns = 'seq, event_id, type, token_id, request_id, recorded_at, leaf';

/** Reads the log by its indices: over the whole of it, page by page, newest first. */
@Injectable()
export class EntryStore {
  async search(db: Db, logId: number, filter: EntryFilter, signedSize: number): Promise<LogEntry[]> {
    const where = ['log_id = $1'];
    const values: unknown[] = [logId];
    const and = (condition: (parameter: string) => string, value: unknown) => {
      if (value === undefined) return;
      values.push(value);
      where.push(condition(`$${values.length}`));
    };
    and((p) => `token_id = ${p}`, filter.token);
    and((p) => `request_id = ${p}`, filter.request);
    and((p) => `type = ${p}`, filter.type);
    and((p) => `event_id = ${p}`, filter.event);
    and((p) => `seq < ${p}`, filter.before);
    and((p) => `seq IN (SELECT seq FROM disclosure d JOIN subject s USING (subject_id) WHERE d.log_id = $1 AND s.ref = ${p})`, filter.actor && refOf(personOf(filter.actor)));
    // Entries are recorded in order, so the checkpoints tell the range of indices that a time can be in.
    and((p) => `recorded_at >= ${p} AND seq >= coalesce((SELECT max(size) FROM checkpoint WHERE log_id = $1 AND published_at < ${p}), 0)`, filter.from);
    and((p) => `recorded_at < ${p} AND seq < coalesce(
      (SELECT min(size) FROM checkpoint WHERE log_id = $1 AND published_at > ${p}::timestamptz + interval '1 minute'), 9223372036854775807)`, filter.to);
    values.push(filter.limit);
    const rows = await db.query<EntryRow>(
      `SELECT ${columns} FROM tlog_entry
       WHERE ${where.join(' AND ')} ORDER BY seq DESC LIMIT $${values.length}`,
      values,
    );
    return this.withDisclosures(db, logId, rows, signedSize);
  }

  /** The entries that tell of a token's life: its own, and its request's. */
  async ofToken(db: Db, logId: number, token: string, end: number, limit: number): Promise<LogEntry[]> {
    const rows = await db.query<EntryRow>(
      `SELECT ${columns} FROM tlog_entry e WHERE log_id = $1 AND seq < $3 AND (
         token_id = $2
         OR request_id IN (SELECT request_id FROM tlog_entry WHERE log_id = $1 AND token_id = $2 AND type = 'token.issued'))
       ORDER BY seq LIMIT $4`,
      [logId, token, end, limit],
    );
    return this.withDisclosures(db, logId, rows, end);
  }

  /** The next batch of uses with any of a token that was not erased, from an entry on. */
  async usesOf(db: Db, logId: number, token: string, first: number, end: number): Promise<TokenUses | undefined> {
    const boxes = await db.query<{ seq: string; box: Buffer; key: Buffer }>(
      `WITH own AS (
         SELECT u.seq, u.box, s.key FROM use_record u JOIN subject s USING (subject_id)
         WHERE u.log_id = $1 AND (s.ref = $2 OR s.former_ref = $2) AND u.seq >= $3 AND u.seq < $4)
       SELECT seq, box, key FROM own WHERE seq = (SELECT min(seq) FROM own)`,
      [logId, refOf(token), first, end],
    );
    if (boxes.length === 0) return undefined;
    const seq = Number(boxes[0]!.seq);
    const rows = await db.query<EntryRow & { hashes: Buffer }>(
      `SELECT ${columns}, hashes FROM tlog_entry e JOIN use_batch b USING (log_id, seq) WHERE log_id = $1 AND seq = $2`, [logId, seq],
    );
    const [entry] = await this.withDisclosures(db, logId, rows, end);
    const uses = boxes.flatMap(({ box, key }) => readBox<[number, string][]>(key, box, placeOf('uses', seq)) ?? []);
    return entry && { entry, hashes: rows[0]!.hashes, uses };
  }

  private async withDisclosures(db: Db, logId: number, rows: readonly EntryRow[], signedSize: number): Promise<LogEntry[]> {
    const boxes = rows.length === 0 ? [] : await db.query<{ seq: string; box: Buffer; key: Buffer }>(
      'SELECT d.seq, d.box, s.key FROM disclosure d JOIN subject s USING (subject_id) WHERE d.log_id = $1 AND d.seq = ANY($2)', [logId, rows.map(({ seq }) => seq)],
    );
    const bySeq = Map.groupBy(boxes, ({ seq }) => seq);
    return rows.map((row) => {
      const index = Number(row.seq);
      const disclosures = (bySeq.get(row.seq) ?? []).flatMap(({ box, key }) => readBox<string[]>(key, box, placeOf('entry', index)) ?? []).sort();
      return {
        index, event: row.event_id, type: row.type, ...(row.token_id && { tokenId: row.token_id }), ...(row.request_id && { requestId: row.request_id }),
        recordedAt: row.recorded_at.toISOString(), leaf: row.leaf.toString(), disclosures,
        disclosed: Object.fromEntries(disclosures.map((text) => { const { name, value } = opened(text); return [name, value]; })),
        signed: index < signedSize,
      };
    });
  }
}
