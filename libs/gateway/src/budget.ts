export interface Budget {
  readonly perSecond: number;
  readonly atOnce: number;
}

/** So many tries were used. */
export type Spent = readonly [name: string, count: number, perSecond: number, atOnce: number];

interface Bucket {
  left: number;
  at: number;
}

/** Buckets of tries that refill with time. Bounded: what was quiet for longest is forgotten, and starts full again. */
export class Budgets {
  private readonly buckets = new Map<string, Bucket>();

  constructor(private readonly maxBuckets = 100_000) {}

  /**
   * Takes one try out of a bucket.
   * @param nowMs monotonic
   * @returns 0, or in how many milliseconds there is one again
   */
  take(name: string, budget: Budget, nowMs: number): number {
    const left = this.left(name, budget, nowMs);
    this.keep(name, left >= 1 ? left - 1 : left, nowMs);
    return waitMs(left, budget);
  }

  /** As {@link take}, and takes nothing. */
  look(name: string, budget: Budget, nowMs: number): number {
    return waitMs(this.left(name, budget, nowMs), budget);
  }

  /** Takes out what was used already, here or elsewhere, though there be less: the rest is owed, at most what a bucket holds. */
  spend([name, count, perSecond, atOnce]: Spent, nowMs: number): void {
    const budget = { perSecond, atOnce };
    this.keep(name, Math.max(-atOnce, this.left(name, budget, nowMs) - count), nowMs);
  }

  private left(name: string, { perSecond, atOnce }: Budget, nowMs: number): number {
    const known = this.buckets.get(name);
    return known ? Math.min(atOnce, known.left + ((nowMs - known.at) / 1000) * perSecond) : atOnce;
  }

  private keep(name: string, left: number, nowMs: number): void {
    this.buckets.delete(name);
    if (this.buckets.size >= this.maxBuckets) this.buckets.delete(this.buckets.keys().next().value as string);
    this.buckets.set(name, { left, at: nowMs });
  }
}

function waitMs(left: number, { perSecond }: Budget): number {
  return left >= 1 ? 0 : Math.ceil(((1 - left) / perSecond) * 1000);
}

/** A token may be used at its rate, and a tenth of a minute's worth of it at once. */
export function budgetOf(ratePerMinute: number): Budget {
  return { perSecond: ratePerMinute / 60, atOnce: Math.max(1, Math.floor(ratePerMinute / 10)) };
}
