import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { cancelOpen, keepCancelled, stateOf } from './request.store.js';

/** Stops looking at a withdrawn request. What was decided stays decided: then the issuer hears of the withdrawal too. */
@MessageHandler()
export class OnRequestCancelled {
  constructor(private readonly clock: Clock) {}

  @On('request.cancelled')
  async handle({ data: { requestId } }: Message<'request.cancelled'>, tx: Tx<'policy'>): Promise<void> {
    const state = await stateOf(tx.db, requestId);
    if (!state) keepCancelled(tx.db, requestId);
    else if (state === 'waiting' || state === 'held') cancelOpen(tx.db, requestId, state, this.clock.now());
  }
}
