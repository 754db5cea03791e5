import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { lapseDue } from './request.store.js';

const everyMs = 1_000;
const atOnce = 200;

/** Ends held requests that nobody decided in time. Safe in many replicas, and when a round is cut off. */
@Injectable()
export class LapseReviews {
  constructor(jobs: Jobs, transactions: Transactions<'policy'>) {
    jobs.every(everyMs, 'lapse-reviews', () => transactions.run(async (tx) => {
      const lapsed = await lapseDue(tx.db, atOnce);
      for (const { request_id, request_digest, lapsed_at } of lapsed) {
        tx.emit('request.lapsed', { requestId: request_id, requestDigest: request_digest, lapsedAt: new Date(lapsed_at).toISOString() });
      }
      return lapsed.length === atOnce;
    }));
  }
}
