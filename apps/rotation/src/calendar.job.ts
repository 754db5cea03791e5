import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Health, Jobs } from '@writ/service';
import { isOpen, nextStep } from './advance.js';
import { RotationConfig } from './config.js';
import { Notices } from './notice.store.js';
import { Orders } from './orders.store.js';
import { openRotation, progressOf, stragglersOf, takeDueWatches, type RotationRow } from './rotation.store.js';
import { TokenLife, type LifeEvent } from './token-life.js';
import { forgetEnded, takeDueRotations, tokenById } from './token.store.js';

const earlyEveryMs = 1_000;
const tidyEveryMs = 600_000;
const forgottenAtOnce = 10_000;

/**
 * Does what is due by the database's time. Each round takes a bounded number of rows that nobody else has, and commits
 * what follows with them; a crash gives them back. Waits while too much is still to be published.
 */
@Injectable()
export class CalendarJob {
  constructor(
    jobs: Jobs, private readonly config: RotationConfig, private readonly transactions: Transactions<'rotation'>, private readonly life: TokenLife,
    private readonly health: Health, private readonly notices: Notices, private readonly orders: Orders,
  ) {
    const { tickMs } = config;
    jobs.every(tickMs, 'start-rotations', () => this.unlessBusy(() => this.startRotations()));
    jobs.every(tickMs, 'watch-rotations', () => this.unlessBusy(() => this.watchRotations()));
    jobs.every(earlyEveryMs, 'apply-early-events', () => this.applyEarly());
    jobs.every(tidyEveryMs, 'forget-ended', () => this.forget());
  }

  private async unlessBusy(work: () => Promise<boolean>): Promise<boolean> {
    return this.health.hasRoom(this.config.outboxLimit) ? work() : false;
  }

  /** @returns whether there may be more */
  startRotations(): Promise<boolean> {
    const { dueBatch } = this.config;
    return this.transactions.run(async (tx) => {
      const tokens = await takeDueRotations(tx.db, dueBatch);
      await Promise.all(tokens.map(async (token) => {
        // One that rotates already is planned anew when that ends.
        const busy = await tx.db.one(openRotation, token.token_id);
        if (!busy && !token.ended_at && token.expires_at > token.now) this.life.start(tx, token, 'scheduled');
      }));
      return tokens.length === dueBatch;
    });
  }

  private watchRotations(): Promise<boolean> {
    const { dueBatch } = this.config;
    return this.transactions.run(async (tx) => {
      const rotations = await takeDueWatches(tx.db, dueBatch);
      await Promise.all(rotations.map(async (rotation) => {
        const stragglers = isOpen(rotation.state) ? await stragglersOf(tx.db, rotation) : [];
        const step = nextStep(progressOf(rotation), stragglers, rotation.now);
        if (step.do === 'nothing') return;
        const { rotation_id, token_id: tokenId } = rotation;
        const rotationId = rotation_id;
        if (step.do === 'name') {
          const data = { tokenId, rotationId, deadlineAt: rotation.deadline_at.toISOString(), stragglers };
          const team = (await tx.db.one(tokenById, tokenId))?.owner.team ?? '';
          this.notices.write(tx.db, tx.emit('rotation.blocked', data), team, { kind: 'rotation.blocked', data }, rotation.now);
        }
        if (step.do === 'nudge') this.orders.due(tx, dueAgain(rotation));
        tx.db.update('rotation', { rotation_id }, {
          watch_at: step.lookAgainAt, named: step.do === 'name' ? step.named : rotation.named, nudges: rotation.nudges + (step.do === 'nudge' ? 1 : 0),
        });
      }));
      return rotations.length === dueBatch;
    });
  }

  /** One in a transaction, as if it came alone: two of one token may both begin something, and none holds up the others. */
  private applyEarly(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const [early] = await tx.db.query<{ event_id: string; type: LifeEvent; data: object; said_at: Date }>(
        `SELECT e.event_id, e.type, e.data, coalesce(e.said_at, e.heard_at) AS said_at FROM early_event e JOIN token t ON t.token_id = e.token_id
         WHERE e.try_at <= now() ORDER BY e.event_id LIMIT 1 FOR UPDATE OF e SKIP LOCKED`,
      );
      if (!early) return false;
      const { event_id, type, data, said_at } = early;
      const applied = await this.life.apply(tx, type, data, said_at);
      await tx.flush();
      await tx.db.query(applied ? 'DELETE FROM early_event WHERE event_id = $1' : `UPDATE early_event SET try_at = now() + (now() - heard_at) + interval '1 second' WHERE event_id = $1`, [event_id]);
      return true;
    });
  }

  private async forget(): Promise<void> {
    await this.transactions.read(async (db) => {
      await db.query(`DELETE FROM early_event WHERE heard_at < now() - interval '7 days'`);
      await forgetEnded(db, forgottenAtOnce);
    });
  }
}

function dueAgain({ token_id, rotation_id, cause, deadline_at, claim_before, requested_by, reason }: RotationRow) {
  return {
    tokenId: token_id, rotationId: rotation_id, cause, deadlineAt: deadline_at.toISOString(), claimBefore: claim_before.toISOString(),
    by: requested_by ?? undefined, reason: reason ?? undefined,
  };
}
