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
  take(name: string, { perSecond, atOnce }: { perSecond: number; atOnce: number }, nowMs: number): number {
    const known = this.buckets.get(name);
    const left = known ? Math.min(atOnce, known.left + ((nowMs - known.at) / 1000) * perSecond) : atOnce;
    this.buckets.delete(name);
    if (this.buckets.size >= this.maxBuckets) this.buckets.delete(this.buckets.keys().next().value as string);
    this.buckets.set(name, { left: left >= 1 ? left - 1 : left, at: nowMs });
    return left >= 1 ? 0 : Math.ceil(((1 - left) / perSecond) * 1000);
  }
}
