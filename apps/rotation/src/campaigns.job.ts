import { Injectable } from '@nestjs/common';
import { Transactions, type Tx } from '@writ/messaging';
import { Health, Jobs } from '@writ/service';
import { lockNextTokens, lockUnspread, unanswered, type CampaignRow } from './campaign.store.js';
import { RotationConfig } from './config.js';
import { openRotation } from './rotation.store.js';
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
  }

  private async spread(): Promise<boolean> {
    if (!this.health.hasRoom(this.config.outboxLimit)) return false;
    return this.transactions.run(async (tx) => {
      const campaign = await lockUnspread(tx.db);
      if (!campaign || (await unanswered(tx.db, campaign)) > 2 * this.config.dueBatch) return false;
      const tokens = await lockNextTokens(tx.db, campaign, this.config.dueBatch);
      const begun = await this.begin(tx, campaign, tokens);
      const last = tokens.at(-1);
      await tx.db.query(
        'UPDATE campaign SET reached = $2, seen = seen + $3, skipped = skipped + $4, spread_at = CASE WHEN $5 THEN now() END WHERE campaign_id = $1',
        [campaign.campaign_id, last?.token_id ?? campaign.reached, tokens.length, tokens.length - begun, tokens.length < this.config.dueBatch],
      );
      return true;
    });
  }

  /** @returns how many rotations began: a token that rotates already is left to it, except in an emergency */
  private async begin(tx: Tx<'rotation'>, { campaign_id: campaignId, cause, reason, requested_by: by }: CampaignRow, tokens: readonly TokenRow[]): Promise<number> {
    const all = await Promise.all(tokens.map(async (token) => ({ token, open: await tx.db.one(openRotation, token.token_id) })));
    const chosen = all.filter(({ open }) => !open || (cause === 'emergency' && open.cause !== 'emergency'));
    await this.life.startInstead(tx, chosen, cause, { by, reason, campaignId });
    return chosen.length;
  }
}
