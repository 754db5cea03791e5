import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { ActiveSets } from './active-set.store.js';

const everyMs = 250;

/** Loads what another replica activated before the next decision needs it, and notices a pointer that was tampered with. */
@Injectable()
export class WatchActivation {
  constructor(jobs: Jobs, transactions: Transactions<'policy'>, sets: ActiveSets) {
    jobs.every(everyMs, 'watch-activation', () => transactions.run(async (tx) => {
      await sets.of(tx.db);
    }));
  }
}
