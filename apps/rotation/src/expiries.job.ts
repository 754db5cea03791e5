import { Injectable } from '@nestjs/common';
import { durationText } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Health, Jobs } from '@writ/service';
import { RotationConfig } from './config.js';
import { Notices } from './notice.store.js';
import { lockPlan, plannedLeads, savePlan } from './notice-plan.store.js';
import { leadDue, noticeAt } from './plan-rotation.js';
import { TokenLife } from './token-life.js';
import { endingOf, lockDueNotices, lockLivingAfter } from './token.store.js';

const planEveryMs = 1_000;

/**
 * Tells owners before their tokens expire, once per token and lead time, by the database's time. A replica that
 * starts with other lead times has them hold for all: tokens are planned anew, slice by slice, and what was told is not
 * told again.
 */
@Injectable()
export class ExpiriesJob {
  private isPlanned = false;

  constructor(
    jobs: Jobs, private readonly config: RotationConfig, private readonly transactions: Transactions<'rotation'>, private readonly life: TokenLife,
    private readonly health: Health, private readonly notices: Notices,
  ) {
    jobs.every(config.tickMs, 'tell-expiries', () => this.tell());
    jobs.every(planEveryMs, 'plan-notices', () => this.plan());
  }

  /** @returns whether there may be more */
  private async tell(): Promise<boolean> {
    const { dueBatch, outboxLimit } = this.config;
    if (!this.health.hasRoom(outboxLimit)) return false;
    return this.transactions.run(async (tx) => {
      const tokens = await lockDueNotices(tx.db, dueBatch);
      const leads = await plannedLeads(tx.db); // After the tokens: what made them due is the plan that they are told by.
      if (leads.length === 0) return false;
      for (const token of tokens) {
        const { token_id: tokenId, owner, expires_at, ended_at, now } = token;
        const ending = endingOf(token);
        const lead = expires_at > now && !ended_at ? leadDue(ending, leads, now) : undefined;
        if (lead !== undefined) {
          const data = { tokenId, owner, expiresAt: expires_at.toISOString(), leadTime: durationText(lead) };
          this.notices.write(tx.db, tx.emit('token.expiring', data), owner.team, { kind: 'token.expiring', data }, now);
        }
        const toldSeconds = lead ?? ending.toldSeconds;
        const next = expires_at > now && !ended_at ? noticeAt({ ...ending, toldSeconds }, leads) : undefined;
        tx.db.update('token', { token_id: tokenId }, { told_seconds: toldSeconds ?? null, notice_at: next ?? null });
      }
      return tokens.length === dueBatch;
    });
  }

  /** Once per start, until all tokens are planned for this configuration. @returns whether there is more */
  private async plan(): Promise<boolean> {
    if (this.isPlanned) return false;
    const { leads } = this.life;
    const { dueBatch } = this.config;
    const goesOn = await this.transactions.run(async (tx) => {
      const reached = await lockPlan(tx.db, leads);
      if (reached === undefined) return false;
      const tokens = await lockLivingAfter(tx.db, reached, dueBatch);
      for (const token of tokens) tx.db.update('token', { token_id: token.token_id }, { notice_at: noticeAt(endingOf(token), leads) ?? null });
      const last = tokens.length === dueBatch ? tokens.at(-1) : undefined;
      await savePlan(tx.db, leads, last?.token_id);
      return last !== undefined;
    });
    this.isPlanned = !goesOn;
    return goesOn;
  }
}
