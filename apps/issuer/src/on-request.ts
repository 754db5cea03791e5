import { Inject } from '@nestjs/common';
import type { Message, RequestSubmitted, Trust } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { IssuerConfig } from './config.js';
import { Issues, type RequestRow } from './issue.store.js';
import { mayIssue, type Approval, type SignedRequest } from './may-issue.js';
import { TRUST } from './trust.store.js';
import { Stops } from './stop.store.js';

/** Brings request and approval together, in whichever order they come, and issues at most one token for them. */
@MessageHandler()
export class OnRequest {
  constructor(
    private readonly issues: Issues, private readonly stops: Stops, private readonly config: IssuerConfig, @Inject(TRUST) private readonly trust: Trust,
  ) {}

  @On('request.submitted')
  async submitted({ data }: Message<'request.submitted'>, tx: Tx<'issuer'>): Promise<void> {
    const row = await this.issues.find(tx, data.requestId);
    const facts = factsOf(data);
    if (!row) return tx.db.insert('request', { request_id: data.requestId, state: 'submitted', facts });
    if (row.facts !== null || row.state !== 'approved') return;
    tx.db.update('request', { request_id: data.requestId }, { facts });
    await this.decide(tx, row, facts, row.approval as Approval);
  }

  @On('request.approved')
  async approved({ data }: Message<'request.approved'>, tx: Tx<'issuer'>): Promise<void> {
    const row = await this.issues.find(tx, data.requestId);
    const { requestId, requestDigest, policyDigest, grant, require, statement, votes } = data;
    const approval = { requestId, requestDigest, policyDigest, grant, require, statement, votes };
    if (!row) return tx.db.insert('request', { request_id: requestId, state: 'approved', approval });
    if (row.state === 'cancelled') return this.issues.refuse(tx, row, { code: 'request-cancelled', detail: 'The request was withdrawn before it was approved.' });
    if (row.state !== 'submitted') return; // Issued or refused before: a request is used once, for ever.
    await this.decide(tx, row, row.facts as SignedRequest, approval);
  }

  @On('request.cancelled')
  async cancelled({ data }: Message<'request.cancelled'>, tx: Tx<'issuer'>): Promise<void> {
    const row = await this.issues.find(tx, data.requestId);
    if (!row) return tx.db.insert('request', { request_id: data.requestId, state: 'cancelled' });
    if (row.state === 'submitted' || row.state === 'approved') return tx.db.update('request', { request_id: data.requestId, state: row.state }, { state: 'cancelled' });
    // Withdrawn while it was being issued: a token that nobody has claimed yet goes too.
    if (row.token_id) await this.stops.revokeUnclaimed(tx, row.token_id, { kind: 'person', principal: data.by }, 'request-cancelled');
  }

  private async decide(tx: Tx<'issuer'>, row: RequestRow, facts: SignedRequest, approval: Approval): Promise<void> {
    const verdict = mayIssue(facts, approval, this.trust, this.config, row.now);
    if ('refusal' in verdict) this.issues.refuse(tx, row, verdict.refusal);
    else await this.issues.issue(tx, row, facts, verdict.right, this.config.claimSeconds);
  }
}

/** The signed facts; the requester's words stay where they can be forgotten. */
function factsOf({ reason: _reason, submissionId: _submission, ...facts }: RequestSubmitted): SignedRequest {
  return { ...facts };
}
