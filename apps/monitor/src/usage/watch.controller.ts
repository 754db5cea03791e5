import { Controller, Get } from '@nestjs/common';
import { silentAfterMs, type WatchView } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, Clock } from '@writ/service';
import { watched } from './watch.store.js';

/** How the platform itself is, for operators. */
@Controller('v1/watch')
export class WatchController {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly clock: Clock) {}

  @Get()
  @Allow('admin', 'auditor')
  async list(): Promise<{ items: WatchView[] }> {
    const now = this.clock.now().getTime();
    const rows = await this.transactions.read(watched);
    return {
      items: rows.map(({ subject, at, count, facts }) => ({
        subject, at: at.toISOString(), count: Number(count), silent: subject.startsWith('service/') && now - at.getTime() > silentAfterMs, facts,
      })),
    };
  }
}
