import { Budgets } from './budget.js';
import { sourceOf } from './source.js';

const secondsAtOnce = 20;

/**
 * Addresses from which too many come who cannot prove who they are. Asked only once a proof has failed, or where there is
 * none yet to ask for, so that nobody who has one waits for what a neighbour does.
 */
export class FailingSources {
  private readonly budgets = new Budgets();

  constructor(private readonly perSecond: number) {}

  /** Counts a failure. @returns 0, or in how many milliseconds its source may fail again */
  failed(address: string): number {
    return this.budgets.take(sourceOf(address), { perSecond: this.perSecond, atOnce: this.perSecond * secondsAtOnce }, performance.now());
  }
}
