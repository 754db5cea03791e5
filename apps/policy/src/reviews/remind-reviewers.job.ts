import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { Notices } from './notice.store.js';
import { nearingEnd, subjectOf } from './review.store.js';

const everyMs = 2_000;
const atOnce = 100;

/** Reminds when half of a review's time has passed, and escalates when four fifths have; each once. */
@Injectable()
export class RemindReviewers {
  constructor(jobs: Jobs, transactions: Transactions<'policy'>, notices: Notices) {
    jobs.every(everyMs, 'remind-reviewers', () => transactions.run(async (tx) => {
      const reminded = await nearingEnd(tx.db, 'reminded_at', 0.5, atOnce);
      const escalated = await nearingEnd(tx.db, 'escalated_at', 0.8, atOnce);
      for (const review of reminded) notices.write(tx.db, 'review.reminder', subjectOf(review));
      for (const review of escalated) notices.write(tx.db, 'review.escalated', subjectOf(review));
      return reminded.length === atOnce || escalated.length === atOnce;
    }));
  }
}
