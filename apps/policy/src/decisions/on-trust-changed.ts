import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { keepTrust } from './trust.store.js';

/** How far an owner can be relied on is a fact that rules may use. */
@MessageHandler()
export class OnTrustChanged {
  @On('trust.changed')
  async handle({ data }: Message<'trust.changed'>, tx: Tx<'policy'>): Promise<void> {
    await keepTrust(tx.db, data);
  }
}
