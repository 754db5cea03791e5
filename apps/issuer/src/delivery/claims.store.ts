import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { ClaimedSecret, EventId } from '@writ/contracts';
import { lookup, receipts, Transactions, type Tx } from '@writ/messaging';
import { principalOf, type Caller } from '@writ/service';
import type { KeyProvider } from '@writ/token';
import { KEYS } from '../keys.store.js';
import { mayClaim, type ClaimVerdict } from './may-claim.js';
import { Secrets } from '../tokens/secret.store.js';
import { StateLog } from '../state/state-log.store.js';
import { Stops } from '../state/stop.store.js';
import { isAsWritten } from '../tokens/as-written.store.js';
import { ForgedRow, type GenerationRow, type TokenRow } from '../tokens/token.row.js';

export interface Claim {
  tokenId: string;
  rotationId?: string;
  caller: Caller;
  idempotencyKey?: string;
}

export interface Claimed {
  /** `unknown`: to this caller there is no such thing. */
  verdict: ClaimVerdict | { act: 'unknown'; what: 'token' | 'rotation' };
  secret?: ClaimedSecret;
  /** Place in the state log of what this claim ended: the token, or the secret that got lost. */
  killedSeq?: number;
}

interface Waiting {
  claim: Claim;
  /** Of the request that claims: its answer names the events. */
  receipts: EventId[];
  resolve: (claimed: Claimed) => void;
  reject: (error: unknown) => void;
}

type GenerationNow = GenerationRow & { now: Date; epoch_seq: string; previous_retires_at: Date | null };

const atOnce = 64;
const firstGeneration = 'first';

/** By token and rotation. The epochs are those that concern the owner. */
const generationNow = lookup<GenerationNow & { key: string }>(
  `SELECT k.key, g.*, clock_timestamp() AS now, p.retires_at AS previous_retires_at,
     (SELECT coalesce(max(seq), 0) FROM state_log WHERE kind = 'epoch' AND (owner_id = t.owner_id OR owner_id IS NULL)) AS epoch_seq
   FROM unnest($1::text[]) AS k(key)
   JOIN token t ON t.token_id = split_part(k.key, ' ', 1)
   JOIN generation g ON g.token_id = t.token_id AND (CASE split_part(k.key, ' ', 2) WHEN '${firstGeneration}' THEN g.generation = 1 ELSE g.rotation_id = split_part(k.key, ' ', 2) END)
   LEFT JOIN generation p ON p.token_id = g.token_id AND p.generation = g.generation - 1`,
  (row) => row.key,
);

/**
 * Mints what claimants fetch. Claims that come while others are being written share a transaction, and so one commit to
 * the disk; two of one token never do, because the second has to see the first.
 */
@Injectable()
export class Claims {
  private waiting: Waiting[] = [];
  private writing = false;

  constructor(
    private readonly transactions: Transactions<'issuer'>, private readonly stops: Stops, private readonly secrets: Secrets, private readonly log: StateLog,
    @Inject(KEYS) private readonly keys: KeyProvider,
  ) {}

  claim(claim: Claim): Promise<Claimed> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ claim, receipts: receipts.getStore() ?? [], resolve, reject });
      if (!this.writing) void receipts.exit(() => this.write());
    });
  }

  private async write(): Promise<void> {
    this.writing = true;
    while (this.waiting.length > 0) {
      const batch = this.take();
      try {
        await this.together(batch);
      } catch (error) {
        // One of them fails all: alone, each has its own answer. What may have been kept is not done again: a second claim kills.
        if (error instanceof PerhapsKept) for (const one of batch) one.reject(error.cause);
        else if (batch.length === 1) batch[0]?.reject(error);
        else for (const one of batch) await this.together([one]).catch((failed: unknown) => one.reject(failed instanceof PerhapsKept ? failed.cause : failed));
      }
    }
    this.writing = false;
  }

  /** The oldest, at most one of each token. */
  private take(): Waiting[] {
    const batch = new Map<string, Waiting>();
    const later: Waiting[] = [];
    for (const one of this.waiting) {
      if (batch.size < atOnce && !batch.has(one.claim.tokenId)) batch.set(one.claim.tokenId, one);
      else later.push(one);
    }
    this.waiting = later;
    return [...batch.values()];
  }

  private async together(batch: readonly Waiting[]): Promise<void> {
    const said = batch.map((): EventId[] => []);
    let isWhole = false;
    const claimed = await this.transactions.run(async (tx) => {
      // All are awaited also where one fails: nobody may use the transaction any more when it is rolled back.
      const settled = await Promise.allSettled(batch.map(({ claim }, i) => this.claimed(tx, claim, said[i] as EventId[])));
      const values = settled.map((one) => {
        if (one.status === 'rejected') throw one.reason;
        return one.value;
      });
      await tx.flush();
      isWhole = true;
      return values;
    }).catch((cause: unknown) => {
      throw isWhole ? new PerhapsKept('The answer to a commit was lost.', { cause }) : cause;
    });
    for (const [i, one] of batch.entries()) {
      one.receipts.push(...(said[i] as EventId[]));
      one.resolve(claimed[i] as Claimed);
    }
  }

  private async claimed(tx: Tx<'issuer'>, { tokenId, rotationId, caller, idempotencyKey }: Claim, said: EventId[]): Promise<Claimed> {
    const token = await this.stops.locked(tx.db, tokenId);
    // Authorisation first: to a stranger there is no such token, whatever its state.
    if (!token || token.claimant_iss !== caller.iss || token.claimant_sub !== caller.sub) return { verdict: { act: 'unknown', what: 'token' } };
    const generation = await tx.db.one(generationNow, `${tokenId} ${rotationId ?? firstGeneration}`);
    if (!generation) return { verdict: { act: 'unknown', what: 'rotation' } };
    if (!(await isAsWritten(tx.db, this.keys, token))) throw new ForgedRow(token.token_id);
    const key = idempotencyKey === undefined ? undefined : sessionKey(caller, idempotencyKey);
    const verdict = mayClaim(token, generation, key, Number(generation.epoch_seq), generation.now);
    if (verdict.act === 'kill') {
      const [killed] = await this.stops.apply(tx, [token], { kind: 'revoke', by: { kind: 'person', principal: principalOf(caller) }, code: 'claimed-twice' });
      return { verdict, killedSeq: killed?.seq };
    }
    if (verdict.act === 'refuse') return { verdict };
    const { minted, killedSeq } = await this.secrets.mint(tx, token, generation.generation, verdict.act === 'mint-again');
    await this.delivered(tx, token, generation, caller, key, said);
    return {
      verdict, killedSeq, secret: { tokenId: token.token_id, secret: minted.reveal(), expiresAt: token.expires_at.toISOString(), generation: generation.generation },
    };
  }

  private async delivered(tx: Tx<'issuer'>, token: TokenRow, row: GenerationNow, caller: Caller, key: Buffer | undefined, said: EventId[]): Promise<void> {
    const { token_id: tokenId, version } = token;
    const { generation, rotation_id: rotationId, now } = row;
    const claims = row.claims + 1;
    const isSuccessor = rotationId !== null && claims === 1;
    tx.db.update('generation', { token_id: tokenId, generation, claims: row.claims }, {
      state: 'delivered', claims, claim_before: null, claim_key: row.claim_key ?? key ?? null, claimed_at: row.claimed_at ?? now, claimed_by: row.claimed_by ?? principalOf(caller),
    });
    tx.db.update('token', { token_id: tokenId, version }, {
      version: version + (isSuccessor ? 2 : 1), state: token.state === 'issued' ? 'active' : token.state, claimed_at: token.claimed_at ?? now, ends_at: token.expires_at,
    });
    said.push(tx.emit('token.delivered', { tokenId, requestId: token.request_id, generation, claimant: principalOf(caller), claims }, { version: version + 1 }));
    if (!isSuccessor) return;
    await this.log.append(tx.db, { kind: 'rotate', reasonCode: 'delivered', tokenId, generation }); // Verifiers learn the end of the older ones.
    const deadlineAt = (row.previous_retires_at ?? token.expires_at).toISOString();
    said.push(tx.emit('token.rotated', { tokenId, rotationId, stage: 'delivered', generation, deadlineAt }, { version: version + 2 }));
  }
}

/** Everything was written, and what followed failed: the commit may have happened. */
class PerhapsKept extends Error {}

/** Names the session that claims, without keeping what the caller sent. */
function sessionKey(caller: Caller, idempotencyKey: string): Buffer {
  return createHash('sha256').update(JSON.stringify([caller.iss, caller.sub, caller.clientId ?? '', idempotencyKey])).digest();
}
