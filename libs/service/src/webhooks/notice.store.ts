import type { Db } from '@writ/messaging';
import type { WebhookTarget } from './webhook-target.js';

/** Notices on their way out, one row for each target; for a migration of the service that writes them. */
export const noticeTable = [
  `CREATE TABLE notice (
    notice_id text NOT NULL,
    endpoint text NOT NULL,
    body text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'failed')),
    attempts int NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    PRIMARY KEY (notice_id, endpoint)
  )`,
  `CREATE INDEX notice_due ON notice (next_at) WHERE state = 'waiting'`,
] as const;

export interface DueNotice {
  notice_id: string;
  endpoint: string;
  body: string;
  attempts: number;
}

/** Writes a notice down in the transaction that makes it true; {@link WebhookDeliveries} carries it out. */
export function writeNotice(db: Db, target: WebhookTarget, noticeId: string, body: string, now: Date): void {
  const at = now.toISOString();
  db.insert('notice', { notice_id: noticeId, endpoint: target.name, body, next_at: at, attempts: 0, state: 'waiting', created_at: at });
}

/** Takes notices whose time has come and puts them off, so that a replica that dies on the way leaves them to the others. */
export async function claimNotices(db: Db, targets: readonly WebhookTarget[], limit: number): Promise<DueNotice[]> {
  return db.query(
    `UPDATE notice n SET attempts = attempts + 1, next_at = now() + interval '1 minute'
     FROM (SELECT notice_id, endpoint FROM notice WHERE state = 'waiting' AND next_at <= now() AND endpoint = ANY($1)
           ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED) due
     WHERE n.notice_id = due.notice_id AND n.endpoint = due.endpoint
     RETURNING n.notice_id, n.endpoint, n.body, n.attempts`,
    [targets.map(({ name }) => name), limit],
  );
}

/** What was delivered is not kept: the record is what it was about. */
export async function noticeDelivered(db: Db, { notice_id, endpoint }: DueNotice): Promise<void> {
  await db.query('DELETE FROM notice WHERE notice_id = $1 AND endpoint = $2', [notice_id, endpoint]);
}

/** @param waitSeconds until it is tried again; nothing gives it up */
export async function noticeFailed(db: Db, { notice_id, endpoint }: DueNotice, error: string, waitSeconds: number | undefined): Promise<void> {
  await db.query(
    `UPDATE notice SET state = $3, last_error = $4, next_at = now() + $5 * interval '1 second' WHERE notice_id = $1 AND endpoint = $2`,
    [notice_id, endpoint, waitSeconds === undefined ? 'failed' : 'waiting', error.slice(0, 512), waitSeconds ?? 0],
  );
}
