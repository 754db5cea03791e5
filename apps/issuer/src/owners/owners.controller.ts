import { Controller, HttpCode, Param, Post } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { AllowAfterStepUp, conflict, notFound } from '@writ/service';
import { Departures } from './departure.store.js';

@Controller('v1/owners')
export class OwnersController {
  constructor(private readonly transactions: Transactions<'issuer'>, private readonly departures: Departures) {}

  /**
   * Has an owner back who had left: from then on what they ask for may be issued again. It gives nothing back of what
   * ended. Recorded; idempotent; `departure-pending` while what they left is still being handed on.
   */
  @Post(':ownerId/reinstate')
  @HttpCode(200)
  @AllowAfterStepUp('admin')
  async reinstate(@Param('ownerId') ownerId: string): Promise<{ ownerId: string }> {
    const before = await this.transactions.run((tx) => this.departures.reinstate(tx.db, ownerId));
    if (before === undefined) throw notFound('departure of this owner');
    if (before !== 'ended' && before !== 'reinstated') throw conflict('departure-pending', 'What this owner left is not settled yet.', 'Repeat it once its time is over.');
    return { ownerId };
  }
}
