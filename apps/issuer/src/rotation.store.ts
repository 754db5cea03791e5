import { Injectable } from '@nestjs/common';
import type { RotationDue, RotationId } from '@writ/contracts';
import { ConcurrentChange, type Tx } from '@writ/messaging';
import { Sealing } from './sealing.store.js';
import { Secrets } from './secret.store.js';
import { StateLog } from './state-log.store.js';
import { Stops } from './stop.store.js';
import type { GenerationRow, TokenRow } from './token.row.js';

/** The lock keeps other transactions out; the version also another message of the same batch. */
type HeldToken = TokenRow & { saved_version: number };

/** A token whose row is locked, with its secrets that have not ended. */
export interface Held {
  token: HeldToken;
  living: GenerationRow[];
  now: Date;
}

/** Replaces secrets: a successor becomes claimable, the old one ends by its deadline, the token lives on. */
@Injectable()
export class Rotations {
  constructor(
    private readonly log: StateLog, private readonly stops: Stops, private readonly secrets: Secrets, private readonly sealing: Sealing,
  ) {}

  async hold(tx: Tx<'issuer'>, tokenId: string): Promise<Held | undefined> {
    const row = await this.stops.locked(tx.db, tokenId);
    const token = row && { ...row, saved_version: row.version };
    if (!token || token.state === 'revoked' || token.state === 'expired') return undefined;
    const rows = await tx.db.query<GenerationRow & { now: Date }>(
      `SELECT g.*, now() FROM (VALUES (1)) one LEFT JOIN generation g ON g.token_id = $1 AND g.state <> 'retired' ORDER BY g.generation`, [tokenId],
    );
    return { token, living: rows.filter(({ generation }) => generation !== null), now: (rows[0] as { now: Date }).now };
  }

  /**
   * Begins a rotation. An earlier successor that nobody used makes room: two orphans never live. Where no secret lives any
   * more, because an emergency's successor was not claimed in time, this is how the owner gets in again.
   */
  async begin(tx: Tx<'issuer'>, held: Held, due: RotationDue): Promise<void> {
    const { token, living, now } = held;
    if (token.state === 'issued') return; // Nobody has the first secret yet: there is nothing to replace.
    // Begun before, and perhaps long ended: said again it begins nothing.
    if ((await tx.db.query('SELECT 1 FROM generation WHERE rotation_id = $1', [due.rotationId])).length > 0) return;
    const isEmergency = due.cause === 'emergency' || due.cause === 'leak';
    for (const row of living) {
      if (row.state === 'claimable') await this.retire(tx, token, row, 'superseded');
      else if (isEmergency) await this.retire(tx, token, row, due.cause);
    }
    const deadline = new Date(Math.min(Date.parse(due.deadlineAt), token.expires_at.getTime()));
    const claimBefore = new Date(isEmergency ? Math.min(Date.parse(due.claimBefore), token.expires_at.getTime()) : Math.min(Date.parse(due.claimBefore), deadline.getTime()));
    const generation = token.generation + 1;
    await tx.db.query(
      `INSERT INTO generation (token_id, generation, rotation_id, state, cause, claim_before) VALUES ($1, $2, $3, 'claimable', $4, $5)`,
      [token.token_id, generation, due.rotationId, due.cause, claimBefore],
    );
    if (!isEmergency) await this.endBy(tx, token.token_id, generation, deadline);
    token.generation = generation;
    const deadlineAt = (isEmergency ? now : deadline).toISOString();
    this.stops.say(tx, token, 'token.rotated', { tokenId: token.token_id, rotationId: due.rotationId, stage: 'claimable', generation, deadlineAt });
    if (token.delivery.mode === 'sealed') await this.deliverSealed(tx, token, due.rotationId, deadlineAt);
    await this.save(tx, token);
  }

  /** Without the key the successor lapses like one that nobody claims, and the old secret lives on. */
  private async deliverSealed(tx: Tx<'issuer'>, token: HeldToken, rotationId: RotationId, deadlineAt: string): Promise<void> {
    const { token_id: tokenId, generation } = token;
    const key = await this.sealing.keyOfToken(tx.db, token);
    if (!key) return;
    const sealed = await this.secrets.sealed(tx, token, generation, key);
    await tx.db.query(`UPDATE generation SET state = 'delivered', claim_before = NULL, claimed_at = now() WHERE token_id = $1 AND generation = $2`, [tokenId, generation]);
    this.stops.say(tx, token, 'token.rotated', { tokenId, rotationId, stage: 'delivered', generation, deadlineAt, sealed });
  }

  /** The successor was used for the first time: the old secret has its grace, and never more than its deadline. */
  async used(tx: Tx<'issuer'>, { token, living, now }: Held, generation: number, defaultGraceSeconds: number): Promise<void> {
    const row = living.find((each) => each.generation === generation);
    if (row?.state !== 'delivered') return;
    await tx.db.query(`UPDATE generation SET state = 'used', used_at = now() WHERE token_id = $1 AND generation = $2`, [token.token_id, generation]);
    if (row.rotation_id === null) return;
    const graceEnd = new Date(now.getTime() + (token.grace_seconds ?? defaultGraceSeconds) * 1000);
    await this.endBy(tx, token.token_id, generation, graceEnd);
    const ends = living.filter((each) => each.generation < generation).map(({ retires_at }) => Math.min(retires_at?.getTime() ?? Infinity, graceEnd.getTime()));
    this.stops.say(tx, token, 'token.rotated', {
      tokenId: token.token_id, rotationId: row.rotation_id, stage: 'used', generation, deadlineAt: new Date(Math.max(now.getTime(), ...ends)).toISOString(),
    });
    await this.save(tx, token);
  }

  /**
   * Ends what is due: successors that nobody claimed, and old secrets whose time is over, or that nobody showed.
   * @param provenUntil every verifier has said all its uses up to the end of a window that began then
   */
  async settle(tx: Tx<'issuer'>, { token, living, now }: Held, provenUntil: Date): Promise<void> {
    for (const row of living) {
      if (row.state === 'claimable' && row.rotation_id !== null && row.claim_before && row.claim_before <= now) await this.abandon(tx, token, row, 'unclaimed');
      else if (row.state !== 'claimable' && row.retires_at && row.retires_at <= now) await this.retire(tx, token, row, 'deadline', successorOf(row, living));
      else if (row.state !== 'claimable' && isForgotten(row, living, provenUntil)) await this.retire(tx, token, row, 'no-traffic', successorOf(row, living));
    }
    await this.save(tx, token);
  }

  async stop(tx: Tx<'issuer'>, { token, living }: Held, rotationId: RotationId): Promise<void> {
    const row = living.find(({ rotation_id }) => rotation_id === rotationId);
    if (!row || row.state === 'used') return; // Its consumer has moved on to it: there is nothing to go back to.
    await this.abandon(tx, token, row, 'stopped');
    await this.save(tx, token);
  }

  async force(tx: Tx<'issuer'>, { token, living }: Held, rotationId: RotationId): Promise<void> {
    const row = living.find(({ rotation_id }) => rotation_id === rotationId);
    if (!row) return;
    for (const old of living) if (old.generation < row.generation) await this.retire(tx, token, old, 'forced', row);
    await this.save(tx, token);
  }

  /** The successor dies and the old secret lives on as if nothing had begun. */
  private async abandon(tx: Tx<'issuer'>, token: HeldToken, row: GenerationRow, code: string): Promise<void> {
    await this.retire(tx, token, row, code);
    await tx.db.query(`UPDATE generation SET retires_at = NULL WHERE token_id = $1 AND generation < $2 AND state <> 'retired'`, [token.token_id, row.generation]);
  }

  private async retire(tx: Tx<'issuer'>, token: HeldToken, row: GenerationRow, code: string, successor: GenerationRow = row): Promise<void> {
    const { seq } = await this.log.append(tx.db, { kind: 'retire', reasonCode: code, tokenId: token.token_id, generation: row.generation });
    await tx.db.query(`UPDATE generation SET state = 'retired' WHERE token_id = $1 AND generation = $2`, [token.token_id, row.generation]);
    this.stops.say(tx, token, 'token.retired', {
      tokenId: token.token_id, ...(successor.rotation_id ? { rotationId: successor.rotation_id } : {}), generation: row.generation, code, seq,
    });
    await this.save(tx, token);
  }

  /** The older secrets end no later than this; an earlier end that was fixed before stays. */
  private async endBy(tx: Tx<'issuer'>, tokenId: string, generation: number, at: Date): Promise<void> {
    await tx.db.query(
      `UPDATE generation SET retires_at = LEAST(coalesce(retires_at, $3), $3) WHERE token_id = $1 AND generation < $2 AND state <> 'retired'`, [tokenId, generation, at],
    );
  }

  private async save(tx: Tx<'issuer'>, token: HeldToken): Promise<void> {
    const { token_id, version, generation, saved_version } = token;
    const saved = await tx.db.query('UPDATE token SET version = $2, generation = $3 WHERE token_id = $1 AND version = $4 RETURNING 1', [token_id, version, generation, saved_version]);
    if (saved.length !== 1) throw new ConcurrentChange('token', 1, 0);
    token.saved_version = version;
  }
}

/** Its successor was in use, and it was not, since before the window. */
function isForgotten(row: GenerationRow, living: readonly GenerationRow[], windowBegan: Date): boolean {
  const successor = successorOf(row, living);
  if (row.retires_at === null || successor?.state !== 'used' || !successor.used_at) return false;
  return successor.used_at < windowBegan && (row.last_used_at === null || row.last_used_at < windowBegan);
}

function successorOf(row: GenerationRow, living: readonly GenerationRow[]): GenerationRow | undefined {
  return living.find(({ generation, rotation_id }) => generation > row.generation && rotation_id !== null);
}
