import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { RotateMany, type CampaignAnswer } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, Clock, GoesOn, invalid, notFound, principalOf, type Caller } from '@writ/service';
import { campaignById, insertCampaign } from './campaign.store.js';

/** Rotations of many tokens at once, and how far they are. */
@Controller('v1/campaigns')
export class CampaignsController {
  constructor(private readonly transactions: Transactions<'rotation'>, private readonly clock: Clock) {}

  @Post()
  @GoesOn()
  @HttpCode(202)
  @AllowAfterStepUp('admin')
  begin(@Body(bodyOf(RotateMany)) { cause, reason, everything, ...filter }: RotateMany, @CallerOf() caller: Caller): Promise<CampaignAnswer> {
    const named = Object.values(filter).some((value) => value !== undefined);
    if (named === (everything === true)) throw invalid([{ pointer: '', message: 'Name owner, team, resource or environment, or say everything: one of the two.' }]);
    const campaignId = this.clock.newId('cmp');
    const by = principalOf(caller);
    return this.transactions.run(async (tx) => {
      tx.emit('act.recorded', { service: 'rotation', act: 'POST /v1/campaigns', path: '/v1/campaigns', by, reason }, { subject: 'rotation' });
      await insertCampaign(tx.db, { campaign_id: campaignId, cause, reason, requested_by: by, filter });
      return (await campaignById(tx.db, campaignId)) as CampaignAnswer;
    });
  }

  @Get(':id')
  @Allow('admin', 'auditor')
  async read(@Param('id') id: string): Promise<CampaignAnswer> {
    const campaign = await this.transactions.read((db) => campaignById(db, id));
    if (!campaign) throw notFound('campaign');
    return campaign;
  }

  /** Begins no further rotations, of late deliveries neither; those that began go on. */
  @Post(':id/stop')
  @HttpCode(200)
  @Allow('admin')
  stop(@Param('id') id: string): Promise<CampaignAnswer> {
    return this.transactions.run(async (tx) => {
      await tx.db.query('UPDATE campaign SET spread_at = coalesce(spread_at, now()), late_until = NULL WHERE campaign_id = $1', [id]);
      const campaign = await campaignById(tx.db, id);
      if (!campaign) throw notFound('campaign');
      return campaign;
    });
  }
}
