import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { MarkHoneytoken } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { AllowAfterStepUp, bodyOf, CallerOf, conflict, NoReplay, principalOf, type Caller } from '@writ/service';
import { Honeytokens } from './honeytoken.store.js';

/** Marks tokens as bait. They are issued like all others and stay so to everyone but the monitor; nothing lists them. */
@Controller('v1/honeytokens')
export class HoneytokensController {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly honeytokens: Honeytokens) {}

  /** From now on any use of the token raises the alarm. Marking again changes nothing. */
  @Post()
  @HttpCode(204)
  @NoReplay()
  @AllowAfterStepUp('admin')
  async mark(@Body(bodyOf(MarkHoneytoken)) { tokenId, remove }: MarkHoneytoken, @CallerOf() caller: Caller): Promise<void> {
    if (!this.honeytokens.ready) throw conflict('honeytokens-not-set-up', 'There is no key to keep honeytokens under.', 'The operator puts honeytoken.<kid>.key, 32 random bytes in base64, beside the monitor’s signing key.');
    const by = principalOf(caller);
    await this.transactions.run(async (tx) => {
      const mark = remove ? await this.honeytokens.unmark(tx.db, tokenId) : await this.honeytokens.mark(tx.db, tokenId, by);
      // The subject is the mark's, never the token's: the log shows that bait was laid and by whom, to nobody which.
      if (mark) tx.emit('monitoring.changed', { change: remove ? 'honeytoken-unmarked' : 'honeytoken-marked', by, mark }, { subject: 'monitoring' });
    });
  }
}
