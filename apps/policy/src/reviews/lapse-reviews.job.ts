import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { Notices } from './notice.store.js';
import { lapseDue } from '../decisions/request.store.js';

const everyMs = 1_000;
const atOnce = 200;

/** Ends held requests that nobody decided in time. Safe in many replicas, and when a round is cut off. */
@Injectable()
export class LapseReviews {
  constructor(jobs: Jobs, transactions: Transactions<'policy'>, notices: Notices) {
    jobs.every(everyMs, 'lapse-reviews', () => transactions.run(async (tx) => {
      const lapsed = await lapseDue(tx.db, atOnce);
      for (const { request_id, request_digest, lapsed_at, submission, require, lapses_at } of lapsed) {
        tx.emit('request.lapsed', { requestId: request_id, requestDigest: request_digest, lapsedAt: lapsed_at.toISOString() });
        notices.write(tx.db, 'review.closed', { request: submission, require, because: [], lapsesAt: lapses_at.toISOString() }, 'lapsed');
      }
      return lapsed.length === atOnce;
    }));
  }
}
