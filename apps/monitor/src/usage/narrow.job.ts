import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { MonitorConfig } from '../config.js';
import { Notices } from '../alerts/notice.store.js';
import { nextTokens, noteProposals, wideAmong } from './narrowing.store.js';

const atOnce = 500;

/** Proposes a smaller token to owners whose token has scopes that it does not use: once, and again when that changed. */
@Injectable()
export class NarrowJob {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly config: MonitorConfig, private readonly notices: Notices, jobs: Jobs) {
    jobs.every(3_600_000, 'propose-narrowing', (signal) => this.propose(signal));
  }

  /** Goes through all tokens, some at a time. */
  async propose(signal?: AbortSignal): Promise<void> {
    let after: string | undefined = '';
    while (after !== undefined && !signal?.aborted) after = await this.page(after);
  }

  /** @returns where the next page begins, if there may be one */
  private page(after: string): Promise<string | undefined> {
    const days = this.config.unusedScopeDays;
    return this.transactions.run(async (tx) => {
      const tokenIds = await nextTokens(tx.db, after, atOnce);
      const wide = await wideAmong(tx.db, tokenIds, days);
      const fresh = await noteProposals(tx.db, wide);
      for (const { token_id: tokenId, owner_id, team, keep, drop, resource, environment, expires_at } of wide) {
        if (!fresh.has(tokenId)) continue;
        const data = { tokenId, owner: { id: owner_id, team }, keep, drop, unusedDays: days, resource, environment, expiresAt: expires_at.toISOString() };
        this.notices.narrowing(tx.db, tx.emit('narrowing.proposed', data), data);
      }
      return tokenIds.length === atOnce ? tokenIds.at(-1) : undefined;
    });
  }
}
