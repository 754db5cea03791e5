import { Injectable } from '@nestjs/common';
import type { Principal, RotationDue, RotationId } from '@writ/contracts';
import { lookup, type Tx } from '@writ/messaging';
import { IssuerConfig } from '../config.js';
import { Sealing } from '../delivery/sealing.store.js';
import { Secrets } from '../tokens/secret.store.js';
import { endlessAgain, isHeld, settle } from './settle.js';
import { StateLog } from '../state/state-log.store.js';
import { Stops } from '../state/stop.store.js';
import type { GenerationRow, TokenRow } from '../tokens/token.row.js';

/** The lock keeps other transactions out; the version also another message of the same batch. */
type HeldToken = TokenRow & { saved_version: number };

/** A token whose row is locked, with its secrets that have not ended. */
export interface Held {
  token: HeldToken;
  living: GenerationRow[];
  now: Date;
}

/** One row without a secret where none lives. */
const livingOf = lookup<GenerationRow & { held_id: string; now: Date }>(
  `SELECT g.*, t.id AS held_id, now() FROM unnest($1::text[]) t(id) LEFT JOIN generation g ON g.token_id = t.id AND g.state <> 'retired' ORDER BY t.id, g.generation`,
  (row) => row.held_id,
);
const begun = lookup<{ rotation_id: string }>('SELECT rotation_id FROM generation WHERE rotation_id = ANY($1)', (row) => row.rotation_id);

/**
 * Replaces secrets: a successor becomes claimable, the old one ends by its deadline, the token lives on. Reads and
 * writes of many tokens are gathered, so that those of one transaction work side by side; each token only once until a flush.
 */
@Injectable()
export class Rotations {
  constructor(
    private readonly log: StateLog, private readonly stops: Stops, private readonly secrets: Secrets, private readonly sealing: Sealing,
    private readonly config: IssuerConfig,
  ) {}

  async hold(tx: Tx<'issuer'>, tokenId: string): Promise<Held | undefined> {
    const row = await this.stops.locked(tx.db, tokenId);
    const token = row && { ...row, saved_version: row.version };
    if (!token || token.state === 'revoked' || token.state === 'expired') return undefined;
    const rows = await tx.db.many(livingOf, tokenId);
    return { token, living: rows.filter(({ generation }) => generation !== null), now: (rows[0] as { now: Date }).now };
  }

  /**
   * Begins a rotation. An earlier successor that nobody used makes room: two orphans never live. Where no secret lives any
   * more, because an emergency's successor was not claimed in time, this is how the owner gets in again.
   */
  async begin(tx: Tx<'issuer'>, { token, living, now }: Held, due: RotationDue): Promise<void> {
    if (token.state === 'issued') return; // Nobody has the first secret yet: there is nothing to replace.
    // Begun before, and perhaps long ended: said again it begins nothing.
    if (await tx.db.one(begun, due.rotationId)) return;
    const isEmergency = due.cause === 'emergency' || due.cause === 'leak';
    for (const row of living) {
      if (row.state === 'claimable') await this.retire(tx, token, row, 'superseded');
      else if (isEmergency) await this.retire(tx, token, row, due.cause, row, { by: due.by });
    }
    const deadline = new Date(Math.min(Date.parse(due.deadlineAt), token.expires_at.getTime()));
    const claimBefore = new Date(Math.min(Date.parse(due.claimBefore), (isEmergency ? token.expires_at : deadline).getTime()));
    const freed = this.keepsUnclaimed ? endlessAgain(living) : undefined;
    if (freed) freed.retires_at = null;
    endBy(tx, living, deadline);
    token.generation += 1;
    const { token_id: tokenId, generation } = token;
    const said = { tokenId, rotationId: due.rotationId, generation, deadlineAt: (isEmergency ? now : deadline).toISOString(), ...(living.some(isHeld) ? {} : { alone: true }) };
    const isLate = !isEmergency && claimBefore <= now; // Such an order lapses: it may not end what its owner still lives on.
    const sealed = token.delivery.mode === 'sealed' && !isLate ? await this.sealed(tx, token) : undefined;
    this.stops.say(tx, token, 'token.rotated', sealed === undefined ? { ...said, stage: 'claimable' } : { ...said, stage: 'delivered', sealed });
    tx.db.insert('generation', {
      token_id: tokenId, generation, rotation_id: due.rotationId, cause: due.cause, claims: 0, begun_by: due.by ?? null,
      ...(sealed === undefined ? { state: 'claimable', claim_before: claimBefore, claimed_at: null } : { state: 'delivered', claim_before: null, claimed_at: now }),
    });
    save(tx, token);
    if (sealed !== undefined) await this.log.append(tx.db, { kind: 'rotate', reasonCode: 'delivered', tokenId, generation }); // Verifiers learn the end of the older ones.
  }

  /** Without the key the successor lapses like one that nobody claims, and the old secret lives on. */
  private async sealed(tx: Tx<'issuer'>, token: HeldToken): Promise<string | undefined> {
    const key = await this.sealing.keyOfToken(tx.db, token);
    return key && this.secrets.sealed(tx, token, token.generation, key);
  }

  /** The successor was used for the first time: the old secret has its grace, and never more than its deadline. */
  async used(tx: Tx<'issuer'>, { token, living, now }: Held, generation: number, defaultGraceSeconds: number): Promise<void> {
    const row = living.find((each) => each.generation === generation);
    if (row?.state !== 'delivered') return;
    tx.db.update('generation', { token_id: token.token_id, generation }, { state: 'used', used_at: now });
    if (row.rotation_id === null) return;
    const graceEnd = new Date(now.getTime() + (token.grace_seconds ?? defaultGraceSeconds) * 1000);
    const older = living.filter((each) => each.generation < generation);
    endBy(tx, older, graceEnd, { last_used_at: now }); // From here on it counts whether anybody shows them.
    const ends = older.map(({ retires_at }) => (retires_at as Date).getTime());
    this.stops.say(tx, token, 'token.rotated', {
      tokenId: token.token_id, rotationId: row.rotation_id, stage: 'used', generation, deadlineAt: new Date(Math.max(now.getTime(), ...ends)).toISOString(),
    });
    save(tx, token);
  }

  /**
   * Ends what is due: successors that nobody claimed, and old secrets whose time is over, or that nobody showed.
   * @param provenUntil every verifier has said all its uses up to the end of a window that began then
   */
  async settle(tx: Tx<'issuer'>, { token, living, now }: Held, provenUntil: Date): Promise<void> {
    const oldEnd = this.keepsUnclaimed ? undefined : living.findLast(isHeld)?.retires_at?.toISOString();
    for (const { row, code } of settle(living, now, provenUntil, this.config.unclaimedSuccessor)) {
      if (code === 'unclaimed') await this.retire(tx, token, row, code, row, { oldEndsAt: oldEnd });
      else await this.retire(tx, token, row, code, successorOf(row, living));
    }
    if (this.keepsUnclaimed) free(tx, living);
    save(tx, token);
  }

  /** The successor dies and the old secret lives on as if nothing had begun. */
  async stop(tx: Tx<'issuer'>, { token, living }: Held, rotationId: RotationId, by: Principal): Promise<void> {
    const row = living.find(({ rotation_id }) => rotation_id === rotationId);
    if (!row || row.state === 'used') return; // Its consumer has moved on to it: there is nothing to go back to.
    await this.retire(tx, token, row, 'stopped', row, { by });
    free(tx, living);
    save(tx, token);
  }

  async force(tx: Tx<'issuer'>, { token, living }: Held, rotationId: RotationId, by: Principal): Promise<void> {
    const row = living.find(({ rotation_id }) => rotation_id === rotationId);
    if (!row) return;
    for (const old of living) if (old.generation < row.generation) await this.retire(tx, token, old, 'forced', row, { by });
    save(tx, token);
  }

  private get keepsUnclaimed(): boolean {
    return this.config.unclaimedSuccessor === 'keep';
  }

  private async retire(tx: Tx<'issuer'>, token: HeldToken, row: GenerationRow, code: string, successor: GenerationRow = row, { oldEndsAt, by }: { oldEndsAt?: string; by?: Principal } = {}): Promise<void> {
    const { token_id: tokenId, generation } = row;
    row.state = 'retired';
    tx.db.update('generation', { token_id: tokenId, generation }, { state: 'retired' });
    const { seq } = await this.log.append(tx.db, { kind: 'retire', reasonCode: code, tokenId, generation, by: by && { kind: 'person', principal: by } });
    this.stops.say(tx, token, 'token.retired', { tokenId, ...(successor.rotation_id ? { rotationId: successor.rotation_id } : {}), generation, code, seq, oldEndsAt });
  }
}

/** These secrets end no later than this; an earlier end that was fixed before stays. */
function endBy(tx: Tx<'issuer'>, rows: readonly GenerationRow[], at: Date, more: { last_used_at?: Date } = {}): void {
  for (const row of rows) {
    if (row.state === 'retired') continue;
    if (row.retires_at === null || row.retires_at > at) row.retires_at = at;
    tx.db.update('generation', { token_id: row.token_id, generation: row.generation }, { retires_at: row.retires_at, ...more });
  }
}

/** The successor that the newest secret was to end for is no more. */
function free(tx: Tx<'issuer'>, living: readonly GenerationRow[]): void {
  const row = endlessAgain(living);
  if (row) tx.db.update('generation', { token_id: row.token_id, generation: row.generation }, { retires_at: null });
}

/** @throws ConcurrentChange at the flush, where another message of the batch changed the token too */
function save(tx: Tx<'issuer'>, token: HeldToken): void {
  const { token_id, version, generation, saved_version } = token;
  if (version !== saved_version) tx.db.update('token', { token_id, version: saved_version }, { version, generation });
  token.saved_version = version;
}

function successorOf(row: GenerationRow, living: readonly GenerationRow[]): GenerationRow | undefined {
  return living.find(({ generation, rotation_id, state }) => generation > row.generation && rotation_id !== null && state !== 'retired');
}
