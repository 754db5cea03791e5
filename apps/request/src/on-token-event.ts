import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { addresseeByToken } from './request.store.js';

type Told = 'token.rotated' | 'token.suspended' | 'token.resumed' | 'token.revoked' | 'token.expired' | 'token.orphaned' | 'token.transferred'
  | 'token.expiring' | 'rotation.blocked' | 'narrowing.proposed';

/**
 * Tells upstreams what becomes of their tokens. An event that overtook the one that says whose token it is waits in a
 * table; {@link EarlyEventsJob} tells it as soon as that is known.
 */
@MessageHandler()
export class OnTokenEvent {
  @On(
    'token.rotated', 'token.suspended', 'token.resumed', 'token.revoked', 'token.expired', 'token.orphaned', 'token.transferred', 'token.expiring',
    'rotation.blocked', 'narrowing.proposed',
  )
  async handle({ id, type, data }: Message<Told>, tx: Tx<'request'>): Promise<void> {
    const addressee = await tx.db.one(addresseeByToken, data.tokenId);
    if (!addressee) {
      tx.db.insert('early_event', { event_id: id, token_id: data.tokenId, type, data, heard_at: 'now' });
      return;
    }
    const { upstream, request_id: requestId, submission_id: submissionId } = addressee;
    if (upstream !== null) tx.tell(upstream, type, { requestId, submissionId, ...data }, data.tokenId);
  }
}
