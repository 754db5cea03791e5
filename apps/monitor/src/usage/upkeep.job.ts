import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { Alerts, type AlertRow } from '../alerts/alert.store.js';
import { rollUp } from './usage.store.js';

/** An alert that nobody answered is closed after this: it no longer says anything about its owner. */
const staleAfter = '30 days';

/** Rolls series up, gives alerts their owners, closes old ones. Any replica may do any round. */
@Injectable()
export class UpkeepJob {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly alerts: Alerts, jobs: Jobs) {
    jobs.every(60_000, 'roll-up-usage', () => this.transactions.run((tx) => rollUp(tx.db)));
    jobs.every(5_000, 'adopt-alerts', () => this.transactions.run((tx) => this.alerts.adopt(tx)));
    jobs.every(600_000, 'close-stale-alerts', () => this.closeStale());
  }

  private closeStale(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const stale = await tx.db.query<AlertRow>(`SELECT * FROM alert WHERE state = 'open' AND observed_at < now() - $1::interval LIMIT 200 FOR UPDATE SKIP LOCKED`, [staleAfter]);
      for (const alert of stale) await this.alerts.close(tx, alert, 'closed');
      return stale.length === 200;
    });
  }
}
