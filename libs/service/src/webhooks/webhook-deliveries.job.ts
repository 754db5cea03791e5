import type { FactoryProvider, Type } from '@nestjs/common';
import type { Logger } from 'pino';
import { Transactions } from '@writ/messaging';
import { Clock } from '../clock.js';
import { Jobs } from '../jobs.js';
import { LOG } from '../start-service.js';
import { claimNotices, noticeDelivered, noticeFailed, type DueNotice } from './notice.store.js';
import { postSigned } from './post-signed.js';
import type { WebhookTarget } from './webhook-target.js';

const everyMs = 1_000;
const atOnce = 10;
/** After so many seconds each, as Standard Webhooks advises; then the notice is given up. */
const retrySeconds = [5, 300, 1_800, 7_200, 18_000, 36_000];

/** Carries notices to their targets, each at least once; receivers tell repetitions by `webhook-id`. */
export class WebhookDeliveries {
  constructor(
    jobs: Jobs, private readonly transactions: Transactions<never>, private readonly clock: Clock, private readonly log: Logger,
    private readonly targets: readonly WebhookTarget[],
  ) {
    if (targets.length > 0) jobs.every(everyMs, 'deliver-notices', () => this.round());
  }

  /** Delivers to the `webhooks` of the service's configuration. */
  static of(config: Type<{ webhooks: WebhookTarget[] }>): FactoryProvider<WebhookDeliveries> {
    return {
      provide: WebhookDeliveries, inject: [Jobs, Transactions, Clock, LOG, config],
      useFactory: (jobs: Jobs, transactions: Transactions<never>, clock: Clock, log: Logger, { webhooks }: { webhooks: WebhookTarget[] }) => new WebhookDeliveries(jobs, transactions, clock, log, webhooks),
    };
  }

  private async round(): Promise<boolean> {
    const due = await this.transactions.run((tx) => claimNotices(tx.db, this.targets, atOnce));
    await Promise.all(due.map((notice) => this.deliver(notice, this.targets.find(({ name }) => name === notice.endpoint) as WebhookTarget)));
    return due.length === atOnce;
  }

  private async deliver(notice: DueNotice, target: WebhookTarget): Promise<void> {
    const failure = await postSigned(target, notice, this.clock.now()).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    if (failure === undefined) return this.transactions.run((tx) => noticeDelivered(tx.db, notice));
    const waitSeconds = retrySeconds[notice.attempts - 1];
    this.log.warn({ endpoint: target.name, notice: notice.notice_id, failure, givenUp: waitSeconds === undefined }, 'a notice was not delivered');
    await this.transactions.run((tx) => noticeFailed(tx.db, notice, failure, waitSeconds));
  }
}
