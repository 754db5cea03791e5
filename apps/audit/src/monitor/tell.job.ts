import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { AuditConfig } from '../config.js';
import { Findings, type Change } from './findings.store.js';
import { forget, isFirst } from './monitor.store.js';

const everyMs = 500;

/**
 * Says each finding once, whichever replica found it first; by its event it becomes an entry itself, so that it cannot
 * be taken back. Where the log takes no entries the bus still hears of it. One that ended is said anew when it comes back.
 */
@Injectable()
export class TellJob implements OnModuleInit {
  private readonly untold: Change[] = [];

  constructor(
    private readonly config: AuditConfig,
    private readonly transactions: Transactions<'audit'>,
    private readonly findings: Findings,
    private readonly jobs: Jobs,
  ) {}

  onModuleInit(): void {
    this.findings.onChange((change) => this.untold.push(change));
    this.jobs.every(everyMs, 'tell-findings', () => this.round());
  }

  async round(): Promise<boolean> {
    const [change] = this.untold;
    if (!change) return false;
    const { logOrigin: origin } = this.config;
    const key = `${origin} ${change.key}`;
    const { code, detail, index } = change.finding;
    await this.transactions.run(async (tx) => {
      if (change.what === 'ends') await forget(tx.db, key);
      else if (await isFirst(tx.db, key)) {
        tx.emit('audit.finding', { origin, code, detail: detail.slice(0, 1_024), ...(index !== undefined && { entry: index }) }, { subject: origin });
      }
    });
    this.untold.shift();
    return this.untold.length > 0;
  }
}
