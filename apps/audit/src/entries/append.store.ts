import { Injectable } from '@nestjs/common';
import { appendLeaves, emptyRoot, hashLeaves } from '@writ/tlog';
import { Unavailable, type Db } from '@writ/messaging';
import { Clock } from '@writ/service';
import { AuditConfig } from '../config.js';
import { randomSource } from '../subjects/random.store.js';
import { checkedEdge, lockedHead, LogTampered, moveHead, setBack, writeTiles, type LogHead } from '../site/log.store.js';
import type { TokenHead } from '../heads/heads.js';
import { headsOf, writeHeads } from '../heads/heads.store.js';
import { SubjectStore } from '../subjects/subject.store.js';
import type { Candidate, Hidden } from './candidate.js';
import { disclose, ivBytes, placeOf, saltBytes, seal } from './disclosure.js';
import { leafOf } from './leaf.js';
import { packed } from './packed.js';
import { sortOut } from './sort-out.js';

/** Entries are in the order of their times, so nothing is appended before the newest one's. */
export class ClockBehind extends Unavailable {
  override readonly name = 'ClockBehind';
}

/** An entry with its place. */
export interface Entry {
  seq: number;
  candidate: Candidate;
  bytes: Buffer;
  hidden: Hidden[];
}

const clockToleranceMs = 5_000;

/**
 * Appends leaves in one order, whatever the number of replicas: the row of the log's head is locked from the first
 * statement to the commit, so lock, work and fence are one transaction. A crash anywhere leaves nothing behind.
 */
@Injectable()
export class AppendStore {
  private readonly salt = randomSource(saltBytes);
  private readonly iv = randomSource(ivBytes);
  private signedSize?: number;

  constructor(private readonly config: AuditConfig, private readonly clock: Clock, private readonly subjects: SubjectStore) {}

  /** Makes the row of the log, once per database. */
  async create(db: Db): Promise<void> {
    await db.query('INSERT INTO tlog (origin, root) VALUES ($1, $2) ON CONFLICT (origin) DO NOTHING', [this.config.logOrigin, emptyRoot]);
  }

  /**
   * Appends what has no leaf yet. Idempotent by event id.
   * @returns what was new, with its place
   * @throws LogTampered where the stored tree does not have the stored root
   */
  async append(db: Db, candidates: readonly Candidate[]): Promise<readonly Entry[]> {
    const head = await this.lock(db);
    const fresh = await withoutKnown(db, head, candidates);
    if (fresh.length === 0) return [];
    const edge = await checkedEdge(db, head);
    const recordedAt = this.recordTime(head);
    const heads = await headsOf(db, head.logId, fresh.flatMap(({ token }) => token ?? []));
    const entries = this.sequence(fresh, head, heads, recordedAt);
    const growth = appendLeaves(edge, hashLeaves(entries.map(({ bytes }) => bytes)));
    await writeEntries(db, head, entries, recordedAt);
    await this.writeHidden(db, head, entries);
    await writeHeads(db, head.logId, heads);
    await writeTiles(db, head, growth);
    await moveHead(db, head, growth, recordedAt);
    return entries;
  }

  /** Locks the log until the transaction ends: nobody appends, and no subject's key is made meanwhile. */
  async lock(db: Db): Promise<LogHead> {
    if (this.signedSize === undefined) throw new Unavailable('How much was signed is not known yet.');
    const head = await lockedHead(db, this.config.logOrigin);
    if (head.size < this.signedSize) throw setBack(head.size, this.signedSize);
    return head;
  }

  /** From now on a shorter log is one that was set back. Nothing may be appended there: other entries were signed in these places. */
  signedUpTo(size: number): void {
    this.signedSize = Math.max(this.signedSize ?? 0, size);
  }

  /** Never before the entry before it, so that entries are ordered by time as they are by index. */
  private recordTime({ recordedAt }: LogHead): Date {
    const now = this.clock.now();
    const last = recordedAt.getTime(); // NaN while the log is empty, and then nothing is later than now.
    if (now.getTime() < last - clockToleranceMs) throw new ClockBehind('The clock is behind the last entry of the log.');
    return now.getTime() < last ? recordedAt : now;
  }

  /** Gives every entry its place, and moves its token's head there. */
  private sequence(candidates: readonly Candidate[], head: LogHead, heads: Map<string, TokenHead>, recordedAt: Date): Entry[] {
    return candidates.map((candidate, i) => {
      const seq = head.size + i;
      const { token, k = 0 } = candidate;
      const before = token === undefined ? undefined : heads.get(token);
      if (token !== undefined) heads.set(token, { token, index: seq, k: Math.max(k, before?.k ?? 0) });
      const place = { log: this.config.logOrigin, seq, prev: before?.index, recordedAt };
      return { seq, candidate, ...leafOf(candidate, place, (name, value) => disclose(this.salt(), name, value)) };
    });
  }

  private async writeHidden(db: Db, { logId }: LogHead, entries: readonly Entry[]): Promise<void> {
    const names = entries.flatMap(({ candidate, hidden }) => [
      ...hidden.map(({ subject }) => subject), ...(candidate.uses?.groups.map(({ subject }) => subject) ?? []),
    ]);
    const keys = await this.subjects.keysFor(db, names, entries.flatMap(({ candidate }) => candidate.kin ?? []));
    const boxOf = (kind: 'entry' | 'uses', seq: number, subject: string, content: unknown) => {
      const { id, key } = keys.get(subject)!;
      return { seq, subject_id: id, bytes: seal(key, this.iv(), placeOf(kind, seq), JSON.stringify(content)) };
    };
    await writeBoxes(db, 'disclosure', logId, entries.flatMap(({ seq, hidden }) => {
      const bySubject = Map.groupBy(hidden, ({ subject }) => subject);
      return [...bySubject].map(([subject, own]) => boxOf('entry', seq, subject, own.map(({ disclosure }) => disclosure.text)));
    }));
    const used = entries.flatMap(({ seq, candidate: { uses } }) => (uses ? [{ seq, uses }] : []));
    await writeBoxes(db, 'use_record', logId, used.flatMap(({ seq, uses }) => uses.groups.map(({ subject, disclosures }) => boxOf('uses', seq, subject, disclosures))));
    for (const { seq, uses } of used) {
      await db.query('INSERT INTO use_batch (log_id, seq, hashes) VALUES ($1, $2, $3)', [logId, seq, uses.hashes]);
    }
  }
}

/** What has no leaf yet. A conflict is an event of its own, and may itself have come before. */
async function withoutKnown(db: Db, head: LogHead, candidates: readonly Candidate[]): Promise<Candidate[]> {
  const fresh = sortOut(candidates, await knownEvents(db, head, candidates.map(({ id }) => id)));
  const conflicts = fresh.filter(({ type }) => type === 'audit.conflict').map(({ id }) => id);
  if (conflicts.length === 0) return fresh;
  const before = await knownEvents(db, head, conflicts);
  return fresh.filter(({ id }) => !before.has(id));
}

async function knownEvents(db: Db, { logId }: LogHead, ids: readonly string[]): Promise<Map<string, Buffer | null>> {
  const rows = await db.query<{ event_id: string; digest: Buffer | null }>(
    'SELECT event_id, digest FROM tlog_entry WHERE log_id = $1 AND event_id = ANY($2)', [logId, ids],
  );
  return new Map(rows.map(({ event_id, digest }) => [event_id, digest]));
}

async function writeEntries(db: Db, { logId }: LogHead, entries: readonly Entry[], recordedAt: Date): Promise<void> {
  const leaves = packed(entries.map(({ bytes }) => bytes));
  const rows = entries.map(({ seq, candidate: { id, type, token, request, k } }, i) => ({
    seq, event_id: id, type, token_id: token, request_id: request, k, at: leaves.places[i]!.at, length: leaves.places[i]!.length, d: i * 32 + 1,
  }));
  // An entry beyond the head would make the insert fail like a fault of the message, which it is not.
  const [beyond] = await db.query('SELECT 1 FROM tlog_entry WHERE log_id = $1 AND seq >= $2 LIMIT 1', [logId, entries[0]!.seq]);
  if (beyond) throw new LogTampered('There are entries beyond the head of the log.');
  await db.query(
    `INSERT INTO tlog_entry (log_id, seq, event_id, digest, type, token_id, request_id, k, recorded_at, leaf)
     SELECT $1, seq, event_id, substr($3::bytea, d, 32), type, token_id, request_id, k, $4, substr($2::bytea, at, length)
     FROM json_to_recordset($5::json) AS r(seq bigint, event_id text, type text, token_id text, request_id text, k int, at int, length int, d int)`,
    [logId, leaves.bytes, Buffer.concat(entries.map(({ candidate }) => candidate.digest)), recordedAt, JSON.stringify(rows)],
  );
}

interface Box {
  seq: number;
  subject_id: string;
  bytes: Buffer;
}

/** Bounds what one statement carries: a batch of usage may hold megabytes. */
const boxesPerStatement = 4_096;

async function writeBoxes(db: Db, table: 'disclosure' | 'use_record', logId: number, boxes: readonly Box[]): Promise<void> {
  for (let first = 0; first < boxes.length; first += boxesPerStatement) {
    const some = boxes.slice(first, first + boxesPerStatement);
    const { bytes, places } = packed(some.map((box) => box.bytes));
    await db.query(
      `INSERT INTO ${table} (log_id, seq, subject_id, box)
       SELECT $1, seq, subject_id, substr($2::bytea, at, length)
       FROM json_to_recordset($3::json) AS r(seq bigint, subject_id bigint, at int, length int)`,
      [logId, bytes, JSON.stringify(some.map(({ seq, subject_id }, i) => ({ seq, subject_id, ...places[i] })))],
    );
  }
}
