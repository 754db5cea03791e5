import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { ActiveSets } from '../sets/active-set.store.js';
import { Decisions } from './decisions.store.js';
import { Notices } from '../reviews/notice.store.js';
import { answerWaiting, takeWaiting } from './request.store.js';
import { say } from './say.js';

const everyMs = 500;
const atOnce = 200;

/** Answers the requests that came while no policy set could decide. */
@Injectable()
export class DecideWaiting {
  constructor(
    jobs: Jobs, private readonly transactions: Transactions<'policy'>, private readonly sets: ActiveSets, private readonly decisions: Decisions,
    private readonly notices: Notices,
  ) {
    jobs.every(everyMs, 'decide-waiting', () => this.round());
  }

  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const requests = await takeWaiting(tx.db, atOnce);
      const set = requests.length > 0 ? await this.sets.of(tx.db) : undefined;
      if (!set) return false;
      await Promise.all(requests.map(async (request) => {
        const { decision, answer, now } = await this.decisions.answer(tx.db, set, request);
        answerWaiting(tx.db, request, answer, decision, set, now);
        say(tx, answer);
        if (answer.type === 'request.held') await this.notices.opened(tx.db, request, answer);
      }));
      return requests.length === atOnce;
    });
  }
}
