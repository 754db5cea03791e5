import type { EventType, Message, RequestId } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { approval, denial, hold, outcomeId } from './outcome.js';
import { addresseeByRequest } from './request.store.js';

/**
 * Writes each fact about a request into its own column, so that events may come in any order and more than once,
 * and tells the upstream.
 */
@MessageHandler()
export class OnDecision {
  @On('request.held')
  async held({ data }: Message<'request.held'>, tx: Tx<'request'>): Promise<void> {
    const decision = hold(data);
    tx.db.update('request', { request_id: data.requestId }, { held: decision });
    await tell(tx, data.requestId, 'request.held', { status: 'held', decision });
  }

  @On('request.approved')
  async approved({ data }: Message<'request.approved'>, tx: Tx<'request'>): Promise<void> {
    const decision = approval(data);
    tx.db.update('request', { request_id: data.requestId }, { approved: decision });
    await tell(tx, data.requestId, 'request.approved', { status: 'approved', decision });
  }

  @On('request.denied')
  async denied({ data }: Message<'request.denied'>, tx: Tx<'request'>): Promise<void> {
    const decision = denial(data);
    tx.db.update('request', { request_id: data.requestId }, { denied: decision });
    await tell(tx, data.requestId, 'request.denied', { status: 'denied', decision });
  }

  @On('request.lapsed')
  async lapsed({ data }: Message<'request.lapsed'>, tx: Tx<'request'>): Promise<void> {
    tx.db.update('request', { request_id: data.requestId }, { lapsed_at: data.lapsedAt });
    await tell(tx, data.requestId, 'request.lapsed', { status: 'lapsed', lapsedAt: data.lapsedAt });
  }

  @On('review.recorded')
  async reviewed({ data: { requestId, vote, reason, narrow } }: Message<'review.recorded'>, tx: Tx<'request'>): Promise<void> {
    await tell(tx, requestId, 'review.recorded', { vote, reason, narrow });
  }

  @On('issue.refused')
  async notIssued({ data: { requestId, code, detail } }: Message<'issue.refused'>, tx: Tx<'request'>): Promise<void> {
    tx.db.update('request', { request_id: requestId }, { issue_refused: { code, detail } });
    await tell(tx, requestId, 'issue.refused', { code, detail });
  }

  @On('token.issued')
  async issued({ data }: Message<'token.issued'>, tx: Tx<'request'>): Promise<void> {
    tx.db.update('request', { request_id: data.requestId }, { token_id: data.tokenId, issued: data });
    await tell(tx, data.requestId, 'token.issued', data, data.tokenId);
  }

  @On('token.delivered')
  async delivered({ data: { tokenId, requestId, generation }, time }: Message<'token.delivered'>, tx: Tx<'request'>): Promise<void> {
    tx.db.update('request', { request_id: requestId }, { delivered_at: time });
    await tell(tx, requestId, 'token.delivered', { tokenId, generation }, tokenId);
  }
}

async function tell(tx: Tx<'request'>, requestId: RequestId, type: EventType, facts: object, subject: string = requestId): Promise<void> {
  const addressee = await tx.db.one(addresseeByRequest, requestId);
  if (!addressee) throw new Error(`There is no request ${requestId}.`);
  if (addressee.upstream === null) return;
  tx.tell(addressee.upstream, type, { requestId, submissionId: addressee.submission_id, ...facts }, subject, outcomeId(addressee, type));
}
