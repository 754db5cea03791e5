import { Inject, Injectable } from '@nestjs/common';
import DataLoader from 'dataloader';
import { deriveId, type TokenId } from '@writ/contracts';
import { ConcurrentChange, toJson, type Db, type Tx } from '@writ/messaging';
import type { KeyProvider } from '@writ/token';
import { Departures } from '../owners/departure.store.js';
import { KEYS } from '../keys.store.js';
import type { Approval, Refusal, Right, SignedRequest } from './may-issue.js';
import { Sealing } from '../delivery/sealing.store.js';
import { Secrets } from '../tokens/secret.store.js';
import { shrunk, type Living } from './shrink.js';
import { StateLog } from '../state/state-log.store.js';
import { endedWithItsRequest } from '../state/stop.store.js';
import { isAsWritten } from '../tokens/as-written.store.js';
import { rowSealOf, type TokenRow } from '../tokens/token.row.js';

export interface RequestRow {
  request_id: string;
  state: 'open' | 'cancelled' | 'issued' | 'refused';
  facts: SignedRequest | null;
  approval: Approval | null;
  token_id: TokenId | null;
  /** Database time: no machine's clock decides what has expired. */
  now: Date;
}

type NewToken = Omit<TokenRow, 'state' | 'claimed_at' | 'last_used_at' | 'stopped_by'>;

/** What one message adds to a request. */
type Part = { requestId: string; facts?: SignedRequest; approval?: Approval; cancelled?: boolean };

/** Turns a verdict into rows and events, for a batch of requests with a handful of statements. */
@Injectable()
export class Issues {
  private readonly meeting = new WeakMap<Db, DataLoader<Part, RequestRow>>();

  constructor(
    @Inject(KEYS) private readonly keys: KeyProvider, private readonly log: StateLog, private readonly secrets: Secrets, private readonly sealing: Sealing,
    private readonly departures: Departures,
  ) {}

  /**
   * Adds what a message says to what is known of its request, whichever came first and whichever replica has the
   * others. Messages of one turn go to the database together. @returns everything known now, locked
   */
  meet(tx: Tx<'issuer'>, part: Part): Promise<RequestRow> {
    let loader = this.meeting.get(tx.db);
    if (!loader) {
      loader = new DataLoader((parts) => merge(tx.db, parts), { cache: false });
      this.meeting.set(tx.db, loader);
    }
    return loader.load(part);
  }

  refuse(tx: Tx<'issuer'>, row: RequestRow, { code, detail }: Refusal): void {
    tx.db.update('request', { request_id: row.request_id, state: row.state }, { state: 'refused', code });
    tx.emit('issue.refused', { requestId: row.request_id as SignedRequest['requestId'], code, detail });
  }

  /** Issues a token: to be claimed, or with its secret sealed to the key that the request is bound to. */
  async issue(tx: Tx<'issuer'>, row: RequestRow, request: SignedRequest, approved: Right, claimSeconds: number): Promise<void> {
    const right = await this.rightBeside(tx.db, request, approved);
    if ('code' in right) return this.refuse(tx, row, right);
    const { requestId, delivery } = request;
    const hasLeft = () => this.departures.hasLeft(tx.db, request.requester.id, new Date(right.requestedAtMs));
    if (await hasLeft()) {
      return this.refuse(tx, row, { code: 'owner-deactivated', detail: 'The owner has left, or left after this was asked for.' });
    }
    const key = this.sealing.keyOf(request);
    if (delivery.mode === 'sealed' && !key) {
      return this.refuse(tx, row, { code: 'sealing-key-unknown', detail: 'The request does not carry the key that it is bound to.' });
    }
    // One request has one token, also where two replicas handle it at once: the id follows from the request alone.
    const tokenId = deriveId('tok', right.requestedAtMs, requestId);
    const entry = await this.log.append(tx.db, { kind: 'issue', reasonCode: 'approved', tokenId, ownerId: request.requester.id, requestId });
    // The log waits for us now: who leaves later ends this token too, and who left meanwhile is found when this is tried again.
    if (await hasLeft()) throw new ConcurrentChange('departure', 0, 1);
    const claimBefore = new Date(Math.min(row.now.getTime() + claimSeconds * 1000, right.expiresAt.getTime()));
    const token = await this.tokenOf(request, right, tokenId, entry.seq, row.now, key ? right.expiresAt : claimBefore);
    tx.db.insert('token', { ...token, claimed_at: key ? row.now.toISOString() : null, state: key ? 'active' : 'issued' });
    tx.db.insert('generation', {
      token_id: tokenId, generation: 1, state: key ? 'delivered' : 'claimable', claims: 0, claim_before: key ? null : claimBefore.toISOString(), claimed_at: key ? row.now.toISOString() : null,
    });
    const sealed = key && (await this.secrets.sealed(tx, token, 1, key));
    tx.db.update('request', { request_id: requestId, state: row.state }, { state: 'issued', token_id: tokenId });
    tx.emit('token.issued', {
      tokenId, requestId, owner: request.requester, claimant: request.claimant, resource: request.resource, audience: request.audience,
      scopes: right.scopes, environment: request.environment, issuedAt: row.now.toISOString(), expiresAt: right.expiresAt.toISOString(),
      rotateSeconds: right.rotateSeconds, graceSeconds: right.graceSeconds, delivery, ...(key ? { sealed } : { claimBefore: claimBefore.toISOString() }),
      replaces: request.replaces, networks: right.networks, ratePerMinute: right.ratePerMinute, approvers: right.approvers,
    }, { version: 1 });
  }

  /** What may be issued beside the token that the request replaces, which stays locked: who ends all that came of it waits for us. */
  private async rightBeside(db: Db, request: SignedRequest, approved: Right): Promise<Right | Refusal> {
    if (approved.shrinks !== undefined) return shrunk(approved, request, await livingOf(db, this.keys, approved.shrinks));
    if (request.replaces === undefined || !(await endedWithItsRequest(db, request.replaces))) return approved;
    return { code: 'replaced-request-revoked', detail: 'All that came of the replaced token’s request was revoked, and what replaces it with it.' };
  }

  private async tokenOf(request: SignedRequest, right: Right, tokenId: TokenId, issueSeq: number, issuedAt: Date, endsAt: Date): Promise<NewToken> {
    const kid = this.keys.keys('row').current;
    const facts = {
      token_id: tokenId, request_id: request.requestId, request_digest: request.requestDigest, owner_id: request.requester.id,
      claimant_iss: request.claimant.iss, claimant_sub: request.claimant.sub, audience: request.audience, scopes: right.scopes,
      environment: request.environment, expires_at: right.expiresAt, issue_seq: String(issueSeq), networks: right.networks ?? null, rate_per_minute: right.ratePerMinute ?? null,
      owner_team: request.requester.team, resource: request.resource, delivery: request.delivery, orphaned_until: null,
    };
    return {
      ...facts,
      version: 1,
      issued_at: issuedAt,
      ends_at: endsAt,
      rotate_seconds: right.rotateSeconds ?? null,
      grace_seconds: right.graceSeconds ?? null,
      replaces: request.replaces ?? null,
      generation: 1,
      mac: await rowSealOf(this.keys, facts, kid),
      mac_kid: kid,
    };
  }
}

/** Locked, so that of two that want to shrink the same token the second sees the first. */
async function livingOf(db: Db, keys: KeyProvider, tokenId: TokenId): Promise<Living | undefined> {
  const [token] = await db.query<TokenRow>('SELECT * FROM token WHERE token_id = $1 FOR UPDATE', [tokenId]);
  const replacing = await db.query(`SELECT 1 FROM token WHERE replaces = $1 AND state IN ('issued', 'active', 'suspended')`, [tokenId]);
  // One that was edited in the database, or put back, is no measure of anything.
  return token && (await isAsWritten(db, keys, token)) ? { token, isReplaced: replacing.length > 0 } : undefined;
}

/** What is there stays: a request's facts and its first approval never change. Sorted, so that replicas lock in one order. */
async function merge(db: Db, parts: readonly Part[]): Promise<RequestRow[]> {
  const byId = new Map((await met(db, parts)).map((row) => [row.request_id, row]));
  const rows = parts.filter(({ requestId }) => !byId.has(requestId))
    .map(({ requestId, facts, approval, cancelled }) => ({ request_id: requestId, state: cancelled ? 'cancelled' : 'open', facts, approval }))
    .sort((a, b) => (a.request_id < b.request_id ? -1 : 1));
  const merged = rows.length === 0 ? [] : await db.query<RequestRow>(
    `INSERT INTO request AS r (request_id, state, facts, approval)
     SELECT request_id, state, facts, approval FROM json_to_recordset($1::json) AS p(request_id text, state text, facts jsonb, approval jsonb)
     ON CONFLICT (request_id) DO UPDATE SET facts = coalesce(r.facts, excluded.facts), approval = coalesce(r.approval, excluded.approval),
       state = CASE WHEN r.state = 'open' THEN excluded.state ELSE r.state END
     RETURNING request_id, state, facts, approval, token_id, now()`,
    [toJson(rows)],
  );
  for (const row of merged) byId.set(row.request_id, row);
  return parts.map(({ requestId }) => byId.get(requestId) as RequestRow);
}

/** An approval that finds its request's facts is acted on in this transaction: the row is locked, and nothing of it is kept. */
async function met(db: Db, parts: readonly Part[]): Promise<RequestRow[]> {
  const approvals = new Map(parts.flatMap(({ requestId, approval }) => (approval ? [[requestId, approval]] : [])));
  if (approvals.size === 0) return [];
  const rows = await db.query<RequestRow>(
    'SELECT request_id, state, facts, approval, token_id, now() FROM request WHERE request_id = ANY($1) AND facts IS NOT NULL ORDER BY request_id FOR UPDATE', [[...approvals.keys()]],
  );
  return rows.map((row) => ({ ...row, approval: row.approval ?? (approvals.get(row.request_id) as Approval) }));
}
