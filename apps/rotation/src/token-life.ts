import { Injectable } from '@nestjs/common';
import { durationSeconds, type EventData, type RotationCause, type RotationId } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { isOpen } from './advance.js';
import { RotationConfig } from './config.js';
import { Orders } from './orders.store.js';
import { isUrgent, noticeAt, retryAt, rotateAt, type Terms } from './plan-rotation.js';
import { openRotation, rotationById, type RotationRow } from './rotation.store.js';
import { startRotation, type Asked } from './start-rotation.js';
import { endTokens, lifeOf, tokenById, type DueToken, type TokenRow } from './token.store.js';

export type LifeEvent = 'token.delivered' | 'token.rotated' | 'token.retired' | 'token.suspended' | 'token.resumed' | 'token.revoked' | 'token.expired'
  | 'token.transferred';
type RotationTx = Tx<'rotation'>;

/** How long a person's stop holds where policy demands rotation: the longest pause there is. */
const attemptsAfterStop = 20;

/**
 * Keeps the calendar true to what the issuer says. Every change is to columns of its own, so that events may come in any
 * order; one that came before what it builds upon answers false, and is tried again.
 */
@Injectable()
export class TokenLife {
  readonly terms: Terms;
  readonly leads: readonly number[];

  constructor(config: RotationConfig, private readonly orders: Orders) {
    const seconds = (text: string) => durationSeconds(text) as number;
    this.terms = { claimWindowSeconds: seconds(config.claimWindow), defaultGraceSeconds: seconds(config.defaultGrace) };
    this.leads = config.expiryNotices.map(seconds);
  }

  begin(tx: RotationTx, data: EventData<'token.issued'>): void {
    const [issuedAt, expiresAt] = [new Date(data.issuedAt), new Date(data.expiresAt)];
    const since = data.delivery.mode === 'sealed' ? issuedAt : undefined;
    const life = { tokenId: data.tokenId, expiresAt, rotateSeconds: data.rotateSeconds, graceSeconds: data.graceSeconds };
    tx.db.insert('token', {
      token_id: data.tokenId, owner: data.owner, claimant: data.claimant, resource: data.resource, environment: data.environment, issued_at: issuedAt, expires_at: expiresAt,
      rotate_seconds: data.rotateSeconds ?? null, grace_seconds: data.graceSeconds ?? null, claim_before: data.claimBefore ?? null,
      secret_since: since ?? null, attempts: 0, suspended: false, state_seq: 0,
      rotate_at: (since && rotateAt(life, since, this.terms)) ?? null, notice_at: noticeAt(issuedAt, expiresAt, this.leads, issuedAt) ?? null,
    });
  }

  /** Starts a rotation of a token whose lock the caller holds, and of which none is open. */
  start(tx: RotationTx, token: DueToken, cause: RotationCause, asked?: Asked): RotationId {
    return startRotation(tx, this.orders, token, cause, this.terms, asked);
  }

  /** @returns whether the event could be applied */
  async apply(tx: RotationTx, type: LifeEvent, data: object): Promise<boolean> {
    switch (type) {
      case 'token.delivered': return this.delivered(tx, data as EventData<'token.delivered'>);
      case 'token.rotated': return this.rotated(tx, data as EventData<'token.rotated'>);
      case 'token.retired': return this.retired(tx, data as EventData<'token.retired'>);
      case 'token.suspended': return this.suspended(tx, data as EventData<'token.suspended'>, true);
      case 'token.resumed': return this.suspended(tx, data as EventData<'token.resumed'>, false);
      case 'token.transferred': return this.transferred(tx, data as EventData<'token.transferred'>);
      case 'token.revoked':
      case 'token.expired': return (await tx.db.one(endTokens, (data as EventData<'token.revoked'>).tokenId)) !== undefined;
    }
  }

  private async delivered(tx: RotationTx, { tokenId, generation }: EventData<'token.delivered'>): Promise<boolean> {
    const [token, rotation] = await Promise.all([tx.db.one(tokenById, tokenId), tx.db.one(openRotation, tokenId)]);
    if (!token) return false;
    if (rotation && rotation.generation === null) return false; // Whose delivery this is shows once the successor has its number.
    if (rotation?.generation === generation) tx.db.update('rotation', { rotation_id: rotation.rotation_id }, { delivered_at: token.now });
    if (!token.ended_at) this.replan(tx, token, token.now);
    return true;
  }

  private async rotated(tx: RotationTx, data: EventData<'token.rotated'>): Promise<boolean> {
    const { tokenId, rotationId, stage, generation, deadlineAt } = data;
    const [token, rotation] = await Promise.all([tx.db.one(tokenById, tokenId), tx.db.one(rotationById, rotationId)]);
    if (!token) return false;
    // A successor that was sealed to its owner is delivered as soon as it is there: nobody says that it could be claimed.
    const isNew = stage === 'claimable' || (stage === 'delivered' && data.sealed !== undefined);
    if (!rotation) {
      if (isNew) this.adopt(tx, token, data);
      return isNew;
    }
    const at = token.now;
    // In an emergency the old secret is dead before there is a new one.
    const there = isNew ? { generation, claimable_at: at, ...(isUrgent(rotation.cause) ? { retired_at: at } : {}) } : { generation };
    const change = {
      claimable: there,
      delivered: { ...there, delivered_at: at },
      // First use only shortens the deadline; whichever straggler is left is named soon.
      used: { generation, used_at: at, deadline_at: deadlineAt, watch_at: isOpen(rotation.state) ? at : null },
    }[stage];
    tx.db.update('rotation', { rotation_id: rotationId }, change);
    if (stage === 'delivered' && !token.ended_at) this.replan(tx, token, at);
    return true;
  }

  /** A rotation that the issuer started by itself, because the secret leaked. */
  private adopt(tx: RotationTx, token: TokenRow, { rotationId, generation, deadlineAt, stage }: EventData<'token.rotated'>): void {
    tx.db.insert('rotation', {
      rotation_id: rotationId, token_id: token.token_id, cause: 'leak', started_at: token.now, deadline_at: deadlineAt, claim_before: token.expires_at,
      generation, claimable_at: token.now, delivered_at: stage === 'delivered' ? token.now : null, retired_at: token.now, nudges: 0,
    });
    if (stage === 'delivered') this.replan(tx, token, token.now);
    else tx.db.update('token', { token_id: token.token_id }, { rotate_at: null });
  }

  private async retired(tx: RotationTx, { tokenId, rotationId, generation }: EventData<'token.retired'>): Promise<boolean> {
    if (rotationId === undefined) return true;
    const [token, rotation] = await Promise.all([tx.db.one(tokenById, tokenId), tx.db.one(rotationById, rotationId)]);
    if (!token || !rotation || rotation.generation === null) return false;
    if (generation < rotation.generation) this.complete(tx, token, rotation);
    else if (generation === rotation.generation) this.lapse(tx, token, rotation);
    return true;
  }

  /** The old secret ended. Where the successor was not even claimed, the rotation goes on until it is or lapses. */
  private complete(tx: RotationTx, token: TokenRow, rotation: RotationRow): void {
    tx.db.update('rotation', { rotation_id: rotation.rotation_id }, { retired_at: token.now });
    if (!token.ended_at) this.replan(tx, token, rotation.delivered_at ?? token.now);
  }

  private lapse(tx: RotationTx, token: TokenRow, rotation: RotationRow): void {
    tx.db.update('rotation', { rotation_id: rotation.rotation_id }, { lapsed_at: token.now, watch_at: null });
    if (!isOpen(rotation.state) || token.ended_at) return;
    const wanted = token.rotate_seconds !== null || isUrgent(rotation.cause);
    const again = wanted ? retryAt(lifeOf(token), token.attempts, token.now, this.terms) : undefined;
    tx.db.update('token', { token_id: token.token_id }, { attempts: token.attempts + 1, rotate_at: token.suspended ? null : (again ?? null) });
  }

  /** A stop holds for a while; then policy has its way again. */
  stopped(tx: RotationTx, token: TokenRow, rotationId: RotationId): void {
    const again = token.rotate_seconds === null ? undefined : retryAt(lifeOf(token), attemptsAfterStop, token.now, this.terms);
    tx.db.update('rotation', { rotation_id: rotationId }, { stopped_at: token.now, watch_at: null });
    tx.db.update('token', { token_id: token.token_id }, { rotate_at: again ?? null });
  }

  /**
   * Plans from when the new secret reached its owner: at its delivery, and again when the rotation ends, because a date that
   * comes while a rotation is open is used up.
   */
  private replan(tx: RotationTx, token: TokenRow, since: Date): void {
    const at = token.suspended ? undefined : rotateAt(lifeOf(token), since, this.terms);
    tx.db.update('token', { token_id: token.token_id }, { secret_since: since, attempts: 0, rotate_at: at ?? null });
  }

  /** Who had the token before knows its secret: it is replaced, at once where nobody can be using it. */
  private async transferred(tx: RotationTx, { tokenId, to, claimant, by, reason }: EventData<'token.transferred'>): Promise<boolean> {
    const [token, open] = await Promise.all([tx.db.one(tokenById, tokenId), tx.db.one(openRotation, tokenId)]);
    if (!token) return false;
    tx.db.update('token', { token_id: tokenId }, { owner: to, claimant });
    if (token.ended_at || !token.secret_since) return true;
    if (open) this.stopped(tx, token, open.rotation_id);
    await tx.flush(); // The earlier rotation is over before another of the token is open.
    tx.db.update('token', { token_id: tokenId }, { rotate_at: null });
    this.start(tx, token, token.suspended ? 'emergency' : 'requested', { by: by.principal ?? claimant, reason });
    return true;
  }

  /** The issuer's sequence decides which of two states is the later, not the order in which they were heard. */
  private async suspended(tx: RotationTx, { tokenId, seq }: EventData<'token.suspended'>, suspended: boolean): Promise<boolean> {
    const token = await tx.db.one(tokenById, tokenId);
    if (!token) return false;
    const open = await tx.db.one(openRotation, tokenId);
    const due = suspended || open || token.ended_at || !token.secret_since ? undefined : rotateAt(lifeOf(token), token.secret_since, this.terms);
    await tx.db.query(
      'UPDATE token SET suspended = $2, state_seq = $3, rotate_at = CASE WHEN $2 THEN rotate_at ELSE coalesce($4, rotate_at) END WHERE token_id = $1 AND state_seq < $3',
      [tokenId, suspended, seq, due ?? null],
    );
    return true;
  }
}
