import type { Db } from './database.js';

export interface ParkedMessage {
  id: string;
  messageId: string;
  door: string;
  state: 'waiting' | 'parked';
  code: string;
  error: string;
  attempts: number;
  since: Date;
  bytes: number;
}

/** Lists what waits for an operator, oldest first; with `waiting` also what is tried again by itself. */
export async function parkedMessages(db: Db, options: { waiting?: boolean; limit?: number } = {}): Promise<ParkedMessage[]> {
  return db.query<ParkedMessage>(
    `SELECT id, message_id AS "messageId", door, state, code, last_error AS error, attempts, created_at AS since, length(body) AS bytes
     FROM inbox_waiting WHERE state = 'parked' OR $1 ORDER BY id LIMIT $2`,
    [options.waiting ?? false, options.limit ?? 100],
  );
}

/** Has the service try these messages again now (all parked ones without ids). @returns how many there are */
export async function replayParked(db: Db, ids?: readonly string[]): Promise<number> {
  const rows = await db.query(
    `UPDATE inbox_waiting SET state = 'waiting', next_at = now(), attempts = 0
     WHERE state = 'parked' AND ($1::bigint[] IS NULL OR id = ANY($1)) RETURNING id`,
    [ids ?? null],
  );
  return rows.length;
}

export interface Backlog {
  outboxUnsent: number;
  outboxOldestSeconds: number;
  waiting: number;
  parked: number;
}

/** Measures what is under way; counts stop at 10,001, so that asking stays cheap when much waits. */
export async function backlog(db: Db): Promise<Backlog> {
  const [row] = await db.query<Record<keyof Backlog, string | number>>(
    `SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox_unsent LIMIT 10001) o) AS "outboxUnsent",
            coalesce((SELECT extract(epoch FROM now() - created_at) FROM outbox_unsent JOIN outbox USING (id) ORDER BY id LIMIT 1), 0) AS "outboxOldestSeconds",
            (SELECT count(*) FROM inbox_waiting WHERE state = 'waiting') AS waiting,
            (SELECT count(*) FROM inbox_waiting WHERE state = 'parked') AS parked`,
  );
  return {
    outboxUnsent: Number(row?.outboxUnsent ?? 0),
    outboxOldestSeconds: Number(row?.outboxOldestSeconds ?? 0),
    waiting: Number(row?.waiting ?? 0),
    parked: Number(row?.parked ?? 0),
  };
}
