import { Injectable } from '@nestjs/common';
import { durationSeconds, type EventData, type Principal, type RotationCause, type RotationId } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { isOpen, lookAt } from './advance.js';
import { RotationConfig } from './config.js';
import { LateDeliveries } from './late-delivery.store.js';
import { Notices } from './notice.store.js';
import { Orders } from './orders.store.js';
import { earliest, isUrgent, latest, noticeAt, retryAt, rotateAt, type Terms } from './plan-rotation.js';
import { openRotation, progressOf, rotationById, type RotationRow, type Steered } from './rotation.store.js';
import { startRotation, type Asked } from './start-rotation.js';
import { endTokens, lifeOf, lockToken, tokenById, type DueToken, type TokenRow } from './token.store.js';

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

  constructor(config: RotationConfig, private readonly orders: Orders, private readonly notices: Notices, private readonly late: LateDeliveries) {
    const seconds = (text: string) => durationSeconds(text) as number;
    this.terms = { claimWindowSeconds: seconds(config.claimWindow), defaultGraceSeconds: seconds(config.defaultGrace) };
    this.leads = config.expiryNotices.map(seconds);
  }

  begin(tx: RotationTx, data: EventData<'token.issued'>): void {
    const [issuedAt, expiresAt] = [new Date(data.issuedAt), new Date(data.expiresAt)];
    const since = data.delivery.mode === 'sealed' ? issuedAt : undefined;
    if (since) this.late.heard(tx, data.tokenId, since);
    const life = { tokenId: data.tokenId, expiresAt, rotateSeconds: data.rotateSeconds, graceSeconds: data.graceSeconds };
    tx.db.insert('token', {
      token_id: data.tokenId, owner: data.owner, claimant: data.claimant, resource: data.resource, environment: data.environment, issued_at: issuedAt, expires_at: expiresAt,
      rotate_seconds: data.rotateSeconds ?? null, grace_seconds: data.graceSeconds ?? null, claim_before: data.claimBefore ?? null,
      sealed: data.delivery.mode === 'sealed', approvers: data.approvers ?? 0, secret_since: since ?? null, attempts: 0, suspended: false, state_seq: 0,
      rotate_at: (since && rotateAt(life, since, this.terms)) ?? null, notice_at: noticeAt({ issuedAt, expiresAt }, this.leads) ?? null,
    });
  }

  /** Starts a rotation of a token whose lock the caller holds, and of which none is open. */
  start(tx: RotationTx, token: DueToken, cause: RotationCause, asked?: Asked): RotationId {
    return startRotation(tx, this.orders, token, cause, this.terms, asked);
  }

  /**
   * @param saidAt when the issuer said it, which may be long ago
   * @returns whether the event could be applied
   */
  async apply(tx: RotationTx, type: LifeEvent, data: object, saidAt: Date): Promise<boolean> {
    switch (type) {
      case 'token.delivered': return this.delivered(tx, data as EventData<'token.delivered'>, saidAt);
      case 'token.rotated': return this.rotated(tx, data as EventData<'token.rotated'>, saidAt);
      case 'token.retired': return this.retired(tx, data as EventData<'token.retired'>);
      case 'token.suspended': return this.suspended(tx, data as EventData<'token.suspended'>, true);
      case 'token.resumed': return this.suspended(tx, data as EventData<'token.resumed'>, false);
      case 'token.transferred': return this.transferred(tx, data as EventData<'token.transferred'>);
      case 'token.revoked':
      case 'token.expired': return (await tx.db.one(endTokens, (data as EventData<'token.revoked'>).tokenId)) !== undefined;
    }
  }

  private async delivered(tx: RotationTx, { tokenId, generation, claimant }: EventData<'token.delivered'>, saidAt: Date): Promise<boolean> {
    const [token, rotation] = await Promise.all([tx.db.one(tokenById, tokenId), tx.db.one(openRotation, tokenId)]);
    if (!token) return false;
    if (rotation && rotation.generation === null) return false; // Whose delivery this is shows once the successor has its number.
    this.late.heard(tx, tokenId, saidAt);
    if (rotation && rotation.generation !== generation) return true; // Of a secret that is being replaced.
    const deliveredAt = believed(saidAt, token);
    if (rotation) tx.db.update('rotation', { rotation_id: rotation.rotation_id }, { delivered_at: deliveredAt });
    // Who claimed it had the token before: their transfer was heard first, and knew of no secret.
    const isAnothers = !rotation && Number(token.owner_seq) > 0 && !isSame(claimant, token.claimant);
    if (!token.ended_at) this.replan(tx, token, deliveredAt, isAnothers);
    return true;
  }

  private async rotated(tx: RotationTx, data: EventData<'token.rotated'>, saidAt: Date): Promise<boolean> {
    const { tokenId, rotationId, stage, generation, deadlineAt } = data;
    const [token, rotation] = await Promise.all([tx.db.one(tokenById, tokenId), tx.db.one(rotationById, rotationId)]);
    if (!token || !rotation) return false;
    // A successor that was sealed to its owner is delivered as soon as it is there: nobody says that it could be claimed.
    const isNew = stage === 'claimable' || (stage === 'delivered' && data.sealed !== undefined);
    const at = token.now;
    const deliveredAt = believed(saidAt, token);
    if (isNew && rotation.stopped_at && rotation.steered) this.stopAgain(tx, rotation);
    // After an emergency, or where a successor before lapsed, no end of an old secret will be said.
    const there = isNew ? { generation, claimable_at: at, ...(data.alone ? { retired_at: at } : {}), ...(rotation.state === 'due' ? { watch_at: lookAt(progressOf(rotation), at) } : {}) } : { generation };
    const change = {
      claimable: there,
      delivered: { ...there, delivered_at: deliveredAt },
      // First use only shortens the deadline; whichever straggler is left is named soon.
      used: { generation, used_at: at, deadline_at: deadlineAt, watch_at: isOpen(rotation.state) ? at : null },
    }[stage];
    tx.db.update('rotation', { rotation_id: rotationId }, change);
    if (stage !== 'claimable') this.late.heard(tx, tokenId, saidAt);
    if (stage === 'delivered' && !token.ended_at) this.replan(tx, token, deliveredAt);
    return true;
  }

  /** The order to begin was slower than the one to stop, which found nothing. */
  private stopAgain(tx: RotationTx, { token_id: tokenId, rotation_id: rotationId, steered }: RotationRow): void {
    this.orders.steered(tx, { tokenId, rotationId, ...(steered as Steered) });
  }

  private async retired(tx: RotationTx, { tokenId, rotationId, generation, code, oldEndsAt }: EventData<'token.retired'>): Promise<boolean> {
    if (rotationId === undefined) return true;
    const [token, rotation] = await Promise.all([tx.db.one(tokenById, tokenId), tx.db.one(rotationById, rotationId)]);
    if (!token || !rotation || rotation.generation === null) return false;
    if (generation < rotation.generation) this.complete(tx, token, rotation);
    else if (generation === rotation.generation) this.lapse(tx, token, rotation, code, oldEndsAt);
    return true;
  }

  /** The old secret ended. Where the successor was not even claimed, the rotation goes on until it is or lapses. */
  private complete(tx: RotationTx, token: TokenRow, rotation: RotationRow): void {
    tx.db.update('rotation', { rotation_id: rotation.rotation_id }, { retired_at: token.now });
    if (!token.ended_at && rotation.delivered_at) this.replan(tx, token, rotation.delivered_at);
  }

  private lapse(tx: RotationTx, token: TokenRow, rotation: RotationRow, code: string, oldEndsAt?: string): void {
    const { rotation_id: rotationId, token_id: tokenId } = rotation;
    tx.db.update('rotation', { rotation_id: rotationId }, { lapsed_at: token.now, watch_at: null });
    if (!isOpen(rotation.state) || token.ended_at) return;
    const isWanted = mustBeReplaced(token) || isUrgent(rotation.cause);
    const again = isWanted ? retryAt(lifeOf(token), token.attempts, token.now, this.terms) : undefined;
    tx.db.update('token', { token_id: tokenId }, { attempts: token.attempts + 1, rotate_at: again ?? null });
    if (code !== 'unclaimed') return;
    const data = { tokenId, rotationId, owner: token.owner, lapsedAt: token.now.toISOString(), oldEndsAt, againAt: again?.toISOString() };
    this.notices.write(tx.db, rotationId, token.owner.team, { kind: 'rotation.lapsed', data }, token.now);
  }

  /** A stop holds for a while; then policy has its way again. */
  stopped(tx: RotationTx, token: TokenRow, rotationId: RotationId): void {
    const again = mustBeReplaced(token) ? retryAt(lifeOf(token), attemptsAfterStop, token.now, this.terms) : undefined;
    tx.db.update('rotation', { rotation_id: rotationId }, { stopped_at: token.now, watch_at: null });
    tx.db.update('token', { token_id: token.token_id }, { rotate_at: again ?? null });
  }

  /** Starts rotations, each in the place of the one that is open, if any; the caller holds the tokens' locks. */
  async startInstead(tx: RotationTx, tokens: readonly { token: TokenRow; open?: RotationRow }[], cause: RotationCause, asked: Asked): Promise<RotationId[]> {
    for (const { token, open } of tokens) {
      if (open) tx.db.update('rotation', { rotation_id: open.rotation_id }, { stopped_at: token.now, watch_at: null });
      if (token.rotate_at) tx.db.update('token', { token_id: token.token_id }, { rotate_at: null });
    }
    await tx.flush(); // The earlier rotation is over before another of the token is open.
    return tokens.map(({ token }) => this.start(tx, token, cause, asked));
  }

  /**
   * Plans from when the new secret reached its owner: at its delivery, and again when the rotation ends, because a date that
   * comes while a rotation is open is used up. What is heard of an older secret afterwards does not set it back.
   */
  private replan(tx: RotationTx, token: TokenRow, deliveredAt: Date, owed = false): void {
    const since = latest(deliveredAt, token.secret_since ?? deliveredAt);
    const at = owed ? token.now : rotateAt(lifeOf(token), since, this.terms);
    tx.db.update('token', { token_id: token.token_id }, { secret_since: since, attempts: 0, owed, rotate_at: at ?? null });
  }

  /** Who had the token before knows its secret: it is replaced, at once where nobody can be using it, and tried until it is. */
  private async transferred(tx: RotationTx, { tokenId, to, claimant, by, reason, seq }: EventData<'token.transferred'>): Promise<boolean> {
    const token = await lockToken(tx.db, tokenId);
    if (!token) return false;
    if (seq < Number(token.owner_seq)) return true; // Heard late: somebody else has it since.
    const isKnown = token.secret_since !== null && !token.ended_at;
    tx.db.update('token', { token_id: tokenId }, { owner: to, claimant, owner_seq: seq, owed: isKnown });
    if (!isKnown) return true;
    const open = await tx.db.one(openRotation, tokenId);
    await tx.flush();
    await this.startInstead(tx, [{ token, open }], token.suspended ? 'emergency' : 'requested', { by: by.principal ?? claimant, reason });
    return true;
  }

  /**
   * The issuer's sequence decides which of two states is the later, not the order in which they were heard. A suspended
   * token keeps its date, which waits for it.
   */
  private async suspended(tx: RotationTx, { tokenId, seq }: EventData<'token.suspended'>, suspended: boolean): Promise<boolean> {
    if (!(await tx.db.one(tokenById, tokenId))) return false;
    await tx.db.query(
      `UPDATE token SET suspended = $2, state_seq = $3, rotate_at = CASE WHEN owed AND NOT $2 THEN least(rotate_at, now()) ELSE rotate_at END
       WHERE token_id = $1 AND state_seq < $3`, [tokenId, suspended, seq],
    );
    return true;
  }
}

/** When something became of a token, as far as another's clock says: not after we heard of it, and not before the token was there. */
function believed(saidAt: Date, { issued_at, now }: TokenRow): Date {
  return earliest(now, latest(saidAt, issued_at));
}

function isSame(a: Principal, b: Principal): boolean {
  return a.iss === b.iss && a.sub === b.sub;
}

/** By policy, or because somebody who had the token before knows its secret. */
function mustBeReplaced({ rotate_seconds, owed }: TokenRow): boolean {
  return rotate_seconds !== null || owed;
}
