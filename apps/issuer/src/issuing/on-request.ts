import { Inject } from '@nestjs/common';
import type { Message, RequestSubmitted, Trust } from '@writ/contracts';
import { MessageHandler, On, Unacceptable, type Tx } from '@writ/messaging';
import { Clock, inSlices } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { ActivePolicy } from './active-policy.store.js';
import { Issues, type RequestRow } from './issue.store.js';
import { forgedRequest, forgery, mayIssue, type Approval, type SignedRequest } from './may-issue.js';
import { TRUST } from './trust.store.js';
import { Stops } from '../state/stop.store.js';

/** Brings request and approval together, in whichever order they come, and issues at most one token for them. */
@MessageHandler()
export class OnRequest {
  private readonly wrongInRequest = inSlices((facts: SignedRequest) => forgedRequest(facts, this.trust, this.clock.now()));
  private readonly wrongInApproval = inSlices((approval: Approval) => forgery(approval, this.trust, this.clock.now()));

  constructor(
    private readonly issues: Issues, private readonly stops: Stops, private readonly config: IssuerConfig, private readonly clock: Clock,
    private readonly active: ActivePolicy, @Inject(TRUST) private readonly trust: Trust,
  ) {}

  @On('request.submitted')
  async submitted({ data }: Message<'request.submitted'>, tx: Tx<'issuer'>): Promise<void> {
    const facts = factsOf(data);
    // Nothing is kept of a forged one: the first facts that are kept are the only ones that a request ever gets.
    const forged = await this.wrongInRequest(facts);
    if (forged) throw new Unacceptable(forged.code, forged.detail);
    await this.decide(tx, await this.issues.meet(tx, { requestId: data.requestId, facts }));
  }

  @On('request.approved')
  async approved({ data }: Message<'request.approved'>, tx: Tx<'issuer'>): Promise<void> {
    const { requestId, requestDigest, policyDigest, grant, require, statement, votes } = data;
    const approval = { requestId, requestDigest, policyDigest, grant, require, statement, votes };
    // Nothing is kept of a forged one: the first approval that is kept is the only one that a request ever gets.
    const forged = await this.wrongInApproval(approval);
    if (forged) throw new Unacceptable(forged.code, forged.detail);
    await this.decide(tx, await this.issues.meet(tx, { requestId, approval }));
  }

  @On('request.cancelled')
  async cancelled({ data }: Message<'request.cancelled'>, tx: Tx<'issuer'>): Promise<void> {
    const row = await this.issues.meet(tx, { requestId: data.requestId, cancelled: true });
    // Withdrawn while it was being issued: a token that nobody has claimed yet goes too.
    if (row.token_id) await this.stops.revokeUnclaimed(tx, row.token_id, { kind: 'person', principal: data.by }, 'request-cancelled');
    else await this.decide(tx, row);
  }

  /** Issued or refused before: a request is used once, for ever. */
  private async decide(tx: Tx<'issuer'>, row: RequestRow): Promise<void> {
    const { state, facts, approval, now } = row;
    if (approval && state === 'cancelled') return this.issues.refuse(tx, row, { code: 'request-cancelled', detail: 'The request was withdrawn before a token was issued.' });
    if (!facts || !approval || state !== 'open') return;
    const verdict = mayIssue(facts, approval, await this.active.of(tx.db), this.trust, this.config, now);
    if ('refusal' in verdict) this.issues.refuse(tx, row, verdict.refusal);
    else await this.issues.issue(tx, row, facts, verdict.right, this.config.claimSeconds);
  }
}

/** The signed facts; the requester's words stay where they can be forgotten. */
function factsOf({ reason: _reason, submissionId: _submission, ...facts }: RequestSubmitted): SignedRequest {
  return { ...facts };
}
