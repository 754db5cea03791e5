import { Injectable } from '@nestjs/common';
import { Transactions, type Db, type Tx } from '@writ/messaging';
import { Health, Jobs } from '@writ/service';
import { lockNextTokens, lockStillToRotate, lockUnspread, unanswered, type CampaignRow } from './campaign.store.js';
import { RotationConfig } from './config.js';
import { forgetLate, lateOnes, lockWithLate } from './late-delivery.store.js';
import { makesRoom, openRotation, type RotationRow } from './rotation.store.js';
import { TokenLife } from './token-life.js';
import type { TokenRow } from './token.store.js';

/**
 * Works off mass rotations in slices: each commits how far it came, and waits while too much is still to be published or
 * to be answered by the issuer, so that verification goes on beside it and whatever else the issuer hears is soon its turn.
 */
@Injectable()
export class CampaignsJob {
  constructor(
    jobs: Jobs, private readonly config: RotationConfig, private readonly transactions: Transactions<'rotation'>, private readonly life: TokenLife,
    private readonly health: Health,
  ) {
    jobs.every(config.tickMs, 'spread-campaigns', () => this.spread());
    jobs.every(config.tickMs, 'rotate-late-deliveries', () => this.rotateLate());
  }

  private async spread(): Promise<boolean> {
    if (!this.health.hasRoom(this.config.outboxLimit)) return false;
    return this.transactions.run(async (tx) => {
      const campaign = await lockUnspread(tx.db);
      if (!campaign || (await unanswered(tx.db, campaign)) > 2 * this.config.dueBatch) return false;
      const tokens = await lockNextTokens(tx.db, campaign, this.config.dueBatch);
      const chosen = (await withOpen(tx.db, tokens)).filter(({ open }) => !open || makesRoom(open, campaign.cause));
      await this.begin(tx, campaign, chosen);
      const last = tokens.at(-1);
      await tx.db.query(
        'UPDATE campaign SET reached = $2, seen = seen + $3, skipped = skipped + $4, spread_at = CASE WHEN $5 THEN now() END WHERE campaign_id = $1',
        [campaign.campaign_id, last?.token_id ?? campaign.reached, tokens.length, tokens.length - chosen.length, tokens.length < this.config.dueBatch],
      );
      return true;
    });
  }

  /**
   * Tokens whose secret turns out to have been out before an emergency that has passed them. Whatever rotation is open
   * makes room: its successor may be the very secret.
   */
  private async rotateLate(): Promise<boolean> {
    if (!this.health.hasRoom(this.config.outboxLimit)) return false;
    return this.transactions.run(async (tx) => {
      const campaign = await lockWithLate(tx.db);
      if (!campaign || (await unanswered(tx.db, campaign)) > 2 * this.config.dueBatch) return false;
      const late = await lateOnes(tx.db, campaign, this.config.dueBatch);
      const isStopped = campaign.late_until === null;
      const tokens = isStopped ? [] : await lockStillToRotate(tx.db, campaign, late);
      await this.begin(tx, campaign, await withOpen(tx.db, tokens));
      await tx.flush();
      await tx.db.query('UPDATE campaign SET total = total + $2, seen = seen + $2 WHERE campaign_id = $1', [campaign.campaign_id, tokens.length]);
      await forgetLate(tx.db, campaign, late);
      return true;
    });
  }

  private async begin(tx: Tx<'rotation'>, { campaign_id: campaignId, cause, reason, requested_by: by }: CampaignRow, chosen: readonly Candidate[]): Promise<void> {
    await this.life.startInstead(tx, chosen, cause, { by, reason, campaignId });
  }
}

interface Candidate { token: TokenRow; open?: RotationRow }

function withOpen(db: Db, tokens: readonly TokenRow[]): Promise<Candidate[]> {
  return Promise.all(tokens.map(async (token) => ({ token, open: await db.one(openRotation, token.token_id) })));
}
