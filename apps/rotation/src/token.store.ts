import type { Party, Principal, TokenId } from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';
import type { Ending, Life } from './plan-rotation.js';

/** What a rotation needs to know of its token, and the database's time when it was read. */
export interface DueToken {
  token_id: TokenId;
  expires_at: Date;
  rotate_seconds: number | null;
  grace_seconds: number | null;
  ended_at: Date | null;
  now: Date;
}

/** A token as the calendar knows it. */
export interface TokenRow extends DueToken {
  owner: Party;
  claimant: Principal;
  /** Place of the change that made it theirs in the issuer's state log. */
  owner_seq: string;
  issued_at: Date;
  /** The shortest lead time that its owner was told of its end at. */
  told_seconds: number | null;
  secret_since: Date | null;
  rotate_at: Date | null;
  suspended: boolean;
  attempts: number;
  /** Its secret is known to who had the token before, so it is replaced whatever policy says. */
  owed: boolean;
}

export const tokenById = lookup<TokenRow>('SELECT *, now() AS now FROM token WHERE token_id = ANY($1)', (row) => row.token_id);

/** Ends tokens, and with each its dates and the rotation it was in: many in one statement, the same again changes nothing. */
export const endTokens = lookup<{ token_id: string }>(
  `WITH ended AS (
     UPDATE token SET ended_at = coalesce(ended_at, now()), rotate_at = NULL, notice_at = NULL WHERE token_id = ANY($1) RETURNING token_id),
   closed AS (
     UPDATE rotation SET token_ended_at = now(), watch_at = NULL
     WHERE token_id = ANY($1) AND state IN ('due', 'claimable', 'delivered', 'used'))
   SELECT token_id FROM ended`,
  (row) => row.token_id,
);

/** Locks a token until the transaction ends: whoever starts or steers its rotation does so one after the other. */
export async function lockToken(db: Db, tokenId: string): Promise<TokenRow | undefined> {
  return (await db.query<TokenRow>('SELECT *, now() AS now FROM token WHERE token_id = $1 FOR UPDATE', [tokenId]))[0];
}

/** Takes tokens whose rotation is due off the calendar, but suspended ones. Any number of replicas may: each token goes to one. */
export function takeDueRotations(db: Db, limit: number): Promise<DueToken[]> {
  return db.query<DueToken>(
    `WITH due AS MATERIALIZED (
       SELECT token_id FROM token WHERE rotate_at <= now() AND NOT suspended ORDER BY rotate_at LIMIT $1 FOR UPDATE SKIP LOCKED)
     UPDATE token t SET rotate_at = NULL FROM due WHERE t.token_id = due.token_id
     RETURNING t.token_id, t.expires_at, t.rotate_seconds, t.grace_seconds, t.ended_at, now() AS now`,
    [limit],
  );
}

/** Locks the tokens whose expiry notice is due; the caller says when the next one is. */
export function lockDueNotices(db: Db, limit: number): Promise<TokenRow[]> {
  return db.query<TokenRow>('SELECT *, now() AS now FROM token WHERE notice_at <= now() ORDER BY notice_at LIMIT $1 FOR UPDATE SKIP LOCKED', [limit]);
}

/** Locks the next living tokens in order of their ids. */
export function lockLivingAfter(db: Db, reached: string, limit: number): Promise<TokenRow[]> {
  return db.query<TokenRow>('SELECT *, now() AS now FROM token WHERE token_id > $1 AND ended_at IS NULL ORDER BY token_id LIMIT $2 FOR UPDATE', [reached, limit]);
}

/** Forgets tokens that ended long ago, each with its rotations: none of these is found again without its token. */
export async function forgetEnded(db: Pick<Db, 'query'>, limit: number): Promise<void> {
  await db.query(
    `WITH ended AS (DELETE FROM token WHERE token_id IN (SELECT token_id FROM token WHERE ended_at < now() - interval '90 days' LIMIT $1) RETURNING token_id)
     DELETE FROM rotation r USING ended WHERE r.token_id = ended.token_id`,
    [limit],
  );
}

export function endingOf({ issued_at, expires_at, told_seconds }: TokenRow): Ending {
  return { issuedAt: issued_at, expiresAt: expires_at, toldSeconds: told_seconds ?? undefined };
}

export function lifeOf({ token_id, expires_at, rotate_seconds, grace_seconds }: DueToken): Life {
  return { tokenId: token_id, expiresAt: expires_at, rotateSeconds: rotate_seconds ?? undefined, graceSeconds: grace_seconds ?? undefined };
}
