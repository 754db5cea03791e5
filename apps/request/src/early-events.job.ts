import { Injectable } from '@nestjs/common';
import type { EventType } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import type { Addressee } from './request.store.js';

const everyMs = 1_000;
const tidyEveryMs = 600_000;
const atOnce = 200;

type Early = Omit<Addressee, 'accepted_at'> & { type: EventType; data: object; token_id: string };

/** Tells the token events that came before it was known whose token it is, and forgets what nobody will ask for. */
@Injectable()
export class EarlyEventsJob {
  constructor(jobs: Jobs, private readonly transactions: Transactions<'request'>) {
    jobs.every(everyMs, 'tell-early-events', () => this.tell());
    jobs.every(tidyEveryMs, 'forget-refusals', () => this.forget());
  }

  private tell(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const known = await tx.db.query<Early>(
        `WITH due AS (
           SELECT e.event_id, r.request_id, r.submission_id, r.upstream FROM early_event e JOIN request r ON r.token_id = e.token_id
           ORDER BY e.event_id LIMIT $1 FOR UPDATE OF e SKIP LOCKED)
         DELETE FROM early_event e USING due WHERE e.event_id = due.event_id
         RETURNING e.type, e.data, e.token_id, due.request_id, due.submission_id, due.upstream`,
        [atOnce],
      );
      for (const { upstream, type, data, token_id, request_id: requestId, submission_id: submissionId } of known) {
        if (upstream !== null) tx.tell(upstream, type, { requestId, submissionId, ...data }, token_id);
      }
      return known.length === atOnce;
    });
  }

  private async forget(): Promise<void> {
    await this.transactions.read(async (db) => {
      await db.query(`DELETE FROM early_event WHERE heard_at < now() - interval '7 days'`);
      await db.query(`DELETE FROM refusal WHERE refused_at < now() - interval '7 days'`);
    });
  }
}
