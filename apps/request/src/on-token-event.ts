import type { EventData, Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { addresseeByToken } from './request.store.js';

type Told = 'token.rotated' | 'token.suspended' | 'token.resumed' | 'token.revoked' | 'token.expired' | 'token.orphaned' | 'token.straggling' | 'token.transferred'
  | 'token.expiring' | 'rotation.blocked' | 'narrowing.proposed' | 'misuse.detected';

/**
 * Tells upstreams what becomes of their tokens. An event that overtook the one that says whose token it is waits in a
 * table; {@link EarlyEventsJob} tells it as soon as that is known.
 */
@MessageHandler()
export class OnTokenEvent {
  @On(
    'token.rotated', 'token.suspended', 'token.resumed', 'token.revoked', 'token.expired', 'token.orphaned', 'token.straggling', 'token.transferred',
    'token.expiring', 'rotation.blocked', 'narrowing.proposed', 'misuse.detected',
  )
  async handle({ id, type, data: said }: Message<Told>, tx: Tx<'request'>): Promise<void> {
    const data = 'detector' in said ? misuseTold(said) : said;
    if (!data) return;
    const addressee = await tx.db.one(addresseeByToken, data.tokenId);
    if (!addressee) {
      tx.db.insert('early_event', { event_id: id, token_id: data.tokenId, type, data, heard_at: 'now' });
      return;
    }
    const { upstream, request_id: requestId, submission_id: submissionId } = addressee;
    if (upstream !== null) tx.tell(upstream, type, { requestId, submissionId, ...data }, data.tokenId);
  }
}

/** What an owner hears of misuse: nothing of mere notes, nor of bait, whose owner is to take it for a token like any other; and never the signed proposal. */
function misuseTold({ alertId, tokenId, detector, action, explanation, observedAt }: EventData<'misuse.detected'>) {
  if (action === 'note' || detector === 'honeytoken') return undefined;
  return { alertId, tokenId, detector, action, explanation, observedAt };
}
