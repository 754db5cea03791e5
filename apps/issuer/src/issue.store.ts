import { Inject, Injectable } from '@nestjs/common';
import { deriveId, type TokenId } from '@writ/contracts';
import { lookup, type Tx } from '@writ/messaging';
import type { KeyProvider } from '@writ/token';
import { KEYS } from './keys.store.js';
import type { Approval, Refusal, Right, SignedRequest } from './may-issue.js';
import { StateLog } from './state-log.store.js';
import { sealOf, type TokenRow } from './token.row.js';

export interface RequestRow {
  request_id: string;
  state: 'submitted' | 'approved' | 'cancelled' | 'issued' | 'refused';
  facts: SignedRequest | null;
  approval: Approval | null;
  token_id: TokenId | null;
  /** Database time: no machine's clock decides what has expired. */
  now: Date;
}

const requestById = lookup<RequestRow>(
  'SELECT request_id, state, facts, approval, token_id, now() FROM request WHERE request_id = ANY($1) ORDER BY request_id FOR UPDATE', (row) => row.request_id,
);

/** Turns a verdict into rows and events, for a batch of requests with a handful of statements. */
@Injectable()
export class Issues {
  constructor(@Inject(KEYS) private readonly keys: KeyProvider, private readonly log: StateLog) {}

  find(tx: Tx<'issuer'>, requestId: string): Promise<RequestRow | undefined> {
    return tx.db.one(requestById, requestId);
  }

  refuse(tx: Tx<'issuer'>, row: RequestRow, { code, detail }: Refusal): void {
    tx.db.update('request', { request_id: row.request_id, state: row.state }, { state: 'refused', code });
    tx.emit('issue.refused', { requestId: row.request_id as SignedRequest['requestId'], code, detail });
  }

  async issue(tx: Tx<'issuer'>, row: RequestRow, request: SignedRequest, right: Right, claimSeconds: number): Promise<void> {
    const { requestId } = request;
    // One request has one token, also where two replicas handle it at once: the id follows from the request alone.
    const tokenId = deriveId('tok', right.requestedAtMs, requestId);
    const entry = await this.log.append(tx.db, { kind: 'issue', reasonCode: 'approved', tokenId, ownerId: request.requester.id, requestId });
    const issuedAt = row.now;
    const claimBefore = new Date(Math.min(issuedAt.getTime() + claimSeconds * 1000, right.expiresAt.getTime()));
    const token = await this.sealed(request, right, tokenId, entry.seq, issuedAt, claimBefore);
    tx.db.insert('token', { ...token });
    tx.db.insert('generation', { token_id: tokenId, generation: 1, state: 'claimable', claim_before: claimBefore.toISOString(), claims: 0 });
    tx.db.update('request', { request_id: requestId, state: row.state }, { state: 'issued', token_id: tokenId });
    tx.emit('token.issued', {
      tokenId, requestId, owner: request.requester, claimant: request.claimant, resource: request.resource, audience: request.audience,
      scopes: right.scopes, environment: request.environment, issuedAt: issuedAt.toISOString(), expiresAt: right.expiresAt.toISOString(),
      rotateSeconds: right.rotateSeconds, graceSeconds: right.graceSeconds, delivery: request.delivery, claimBefore: claimBefore.toISOString(),
      replaces: request.replaces,
    }, { version: 1 });
  }

  private async sealed(request: SignedRequest, right: Right, tokenId: TokenId, issueSeq: number, issuedAt: Date, endsAt: Date): Promise<Omit<TokenRow, 'claimed_at' | 'last_used_at' | 'stopped_by'>> {
    const kid = this.keys.keys('row').current;
    const facts = {
      token_id: tokenId, request_id: request.requestId, request_digest: request.requestDigest, owner_id: request.requester.id,
      claimant_iss: request.claimant.iss, claimant_sub: request.claimant.sub, audience: request.audience, scopes: right.scopes,
      environment: request.environment, expires_at: right.expiresAt, issue_seq: String(issueSeq),
    };
    return {
      ...facts,
      state: 'issued',
      version: 1,
      owner_team: request.requester.team,
      resource: request.resource,
      delivery: request.delivery,
      delivery_key: request.deliveryKeyThumbprint ?? null,
      issued_at: issuedAt,
      ends_at: endsAt,
      rotate_seconds: right.rotateSeconds ?? null,
      grace_seconds: right.graceSeconds ?? null,
      replaces: request.replaces ?? null,
      generation: 1,
      mac: await sealOf(this.keys, facts, kid),
      mac_kid: kid,
    };
  }
}
