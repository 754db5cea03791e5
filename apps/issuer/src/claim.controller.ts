import { createHash } from 'node:crypto';
import { Body, Controller, Headers, Inject, Param, Post } from '@nestjs/common';
import { ClaimBody, type ClaimedSecret, type TokenId } from '@writ/contracts';
import { Transactions, type Tx } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, conflict, NoReplay, notFound, principalOf, type Caller } from '@writ/service';
import { macEquals, type KeyProvider } from '@writ/token';
import { Fleet } from './fleet.store.js';
import { KEYS } from './keys.store.js';
import { mayClaim, type ClaimVerdict } from './may-claim.js';
import { Secrets } from './secret.store.js';
import { Stops } from './stop.store.js';
import { sealOf, type GenerationRow, type TokenRow } from './token.row.js';

interface Claimed {
  verdict: ClaimVerdict;
  secret?: ClaimedSecret;
  /** Place in the state log of what this claim ended: the token, or the secret that got lost. */
  killedSeq?: number;
}

type GenerationNow = GenerationRow & { now: Date; epoch_seq: string };

@Controller('v1/tokens')
export class ClaimController {
  constructor(
    private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly secrets: Secrets,
    private readonly fleet: Fleet, @Inject(KEYS) private readonly keys: KeyProvider,
  ) {}

  /**
   * Makes the secret and shows it, once, to the claimant that the request named. A lost answer is repeated within a
   * minute and before first use, to the same session with the same Idempotency-Key: with a new secret, the lost one dead.
   * A second session kills the token (`claimed-twice`); a stranger gets 404 and changes nothing.
   */
  @Post(':tokenId/claim')
  @Allow()
  @NoReplay()
  async claim(
    @Param('tokenId') tokenId: string, @Body(bodyOf(ClaimBody)) { rotationId }: ClaimBody, @CallerOf() caller: Caller,
    @Headers('idempotency-key') idempotencyKey?: string,
  ): Promise<ClaimedSecret> {
    const key = idempotencyKey === undefined ? undefined : sessionKey(caller, idempotencyKey);
    const { verdict, secret, killedSeq } = await this.transactions.run((tx) => this.claimed(tx, tokenId, rotationId, caller, key));
    if (killedSeq !== undefined) await this.fleet.fence(killedSeq, 'replicas');
    if (secret) return secret;
    if (verdict.act === 'refuse') throw conflict(verdict.code, verdict.detail, 'Request a new token where you still need one.');
    throw conflict('claimed-twice', 'The secret was claimed before by another session, so the token is revoked.', 'Request a new token, and find out who claimed this one.');
  }

  private async claimed(tx: Tx<'issuer'>, tokenId: string, rotationId: string | undefined, caller: Caller, key: Buffer | undefined): Promise<Claimed> {
    const token = await this.stops.locked(tx.db, tokenId);
    // Authorisation first: to a stranger there is no such token, whatever its state.
    if (!token || token.claimant_iss !== caller.iss || token.claimant_sub !== caller.sub) throw notFound('token');
    const generation = await generationOf(tx, token, rotationId);
    if (!generation) throw notFound('rotation');
    if (!macEquals(token.mac, await sealOf(this.keys, token, token.mac_kid))) throw new Error(`The row of ${token.token_id} was changed behind the issuer's back.`);
    const verdict = mayClaim(token, generation, key, Number(generation.epoch_seq), generation.now);
    if (verdict.act === 'kill') {
      const [killed] = await this.stops.apply(tx, [token], { kind: 'revoke', by: { kind: 'person', principal: principalOf(caller) }, code: 'claimed-twice' });
      return { verdict, killedSeq: killed?.seq };
    }
    if (verdict.act === 'refuse') return { verdict };
    const { minted, killedSeq } = await this.secrets.mint(tx, token, generation.generation, verdict.act === 'mint-again');
    await this.delivered(tx, token, generation, caller, key);
    return {
      verdict, killedSeq, secret: { tokenId: token.token_id, secret: minted.reveal(), expiresAt: token.expires_at.toISOString(), generation: generation.generation },
    };
  }

  private async delivered(tx: Tx<'issuer'>, token: TokenRow, generation: GenerationNow, caller: Caller, key: Buffer | undefined): Promise<void> {
    const isRotation = generation.rotation_id !== null;
    const claims = generation.claims + 1;
    const events = isRotation && claims === 1 ? 2 : 1;
    await tx.db.query(
      `WITH delivered AS (
         UPDATE generation SET state = 'delivered', claims = $3, claim_before = NULL, claim_key = coalesce(claim_key, $4), claimed_at = coalesce(claimed_at, now())
         WHERE token_id = $1 AND generation = $2
       )
       UPDATE token SET version = version + $5, state = CASE state WHEN 'issued' THEN 'active' ELSE state END,
         claimed_at = coalesce(claimed_at, now()), ends_at = expires_at WHERE token_id = $1`,
      [token.token_id, generation.generation, claims, key ?? null, events],
    );
    tx.emit('token.delivered', {
      tokenId: token.token_id, requestId: token.request_id, generation: generation.generation, claimant: principalOf(caller), claims,
    }, { version: token.version + 1 });
    if (events === 2) {
      tx.emit('token.rotated', {
        tokenId: token.token_id, rotationId: generation.rotation_id!, stage: 'delivered', generation: generation.generation, deadlineAt: await deadlineOf(tx, token.token_id, generation.generation - 1) ?? token.expires_at.toISOString(),
      }, { version: token.version + 2 });
    }
  }
}

/** Names the session that claims, without keeping what the caller sent. */
function sessionKey(caller: Caller, idempotencyKey: string): Buffer {
  return createHash('sha256').update(JSON.stringify([caller.iss, caller.sub, caller.clientId ?? '', idempotencyKey])).digest();
}

async function generationOf(tx: Tx<'issuer'>, token: TokenRow, rotationId: string | undefined): Promise<GenerationNow | undefined> {
  const [row] = await tx.db.query<GenerationNow>(
    `SELECT g.*, clock_timestamp() AS now,
       (SELECT coalesce(max(seq), 0) FROM state_log WHERE kind = 'epoch' AND (owner_id = $3 OR owner_id IS NULL)) AS epoch_seq
     FROM generation g WHERE token_id = $1 AND ${rotationId === undefined ? 'generation = 1 AND $2::text IS NULL' : 'rotation_id = $2'}`,
    [token.token_id, rotationId ?? null, token.owner_id],
  );
  return row;
}

async function deadlineOf(tx: Tx<'issuer'>, tokenId: TokenId, generation: number): Promise<string | undefined> {
  const [row] = await tx.db.query<{ retires_at: Date | null }>('SELECT retires_at FROM generation WHERE token_id = $1 AND generation = $2', [tokenId, generation]);
  return row?.retires_at?.toISOString();
}
