import { Injectable, type OnModuleInit } from '@nestjs/common';
import { budgetOf, Budgets, type Budget, type Spent } from '@writ/gateway';
import { Jobs } from '@writ/service';
import { Hints } from '../fleet/hints.store.js';
import { Replica } from '../fleet/replica.job.js';

const tellEveryMs = 100;
const maxTold = 1_000;
/** Secrets of good form that nobody knows cost a read each; a gateway with more of them than this hears "later". */
const unknownTokens: Budget = { perSecond: 500, atOnce: 5_000 };

/**
 * How often a token may be used, and how many unknown ones a gateway may ask about. Replicas count for themselves and
 * tell each other through Redis ten times a second; without it each of them allows the whole rate.
 */
@Injectable()
export class Limits implements OnModuleInit {
  private readonly budgets = new Budgets();
  private spent = new Map<string, { count: number; budget: Budget }>();

  constructor(private readonly jobs: Jobs, private readonly hints: Hints, private readonly replica: Replica) {}

  onModuleInit(): void {
    this.jobs.everyOwn(tellEveryMs, 'tell-limits', async () => this.tell());
    this.hints.onHint((hint) => {
      if (!('spent' in hint) || hint.by === this.replica.id) return;
      for (const spent of hint.spent) this.budgets.spend(spent, performance.now());
    });
  }

  /** @returns 0, or in how many milliseconds the token may be used again */
  useToken(tokenId: string, ratePerMinute: number, mono: number): number {
    const budget = budgetOf(ratePerMinute);
    const waitMs = this.budgets.take(tokenId, budget, mono);
    if (waitMs === 0) this.note(tokenId, budget);
    return waitMs;
  }

  /** @returns 0, or in how many milliseconds the gateway may ask about an unknown token again */
  waitForUnknown(clientId: string, mono: number): number {
    return this.budgets.look(`unknown ${clientId}`, unknownTokens, mono);
  }

  unknownToken(clientId: string, mono: number): void {
    const name = `unknown ${clientId}`;
    this.budgets.spend([name, 1, unknownTokens.perSecond, unknownTokens.atOnce], mono);
    this.note(name, unknownTokens);
  }

  private note(name: string, budget: Budget): void {
    const known = this.spent.get(name);
    if (known) known.count += 1;
    else this.spent.set(name, { count: 1, budget });
  }

  private tell(): void {
    if (this.spent.size === 0) return;
    const spent = [...this.spent].slice(0, maxTold).map(([name, { count, budget }]): Spent => [name, count, budget.perSecond, budget.atOnce]);
    this.spent = new Map();
    this.hints.publish({ by: this.replica.id, spent });
  }
}
