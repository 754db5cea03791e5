/** A bucket of tries per source that refills with time. Bounded: the source that was quiet for longest is forgotten. */
export class Budget {
  private readonly sources = new Map<string, { left: number; at: number }>();

  constructor(private readonly perSecond: number, private readonly atOnce: number, private readonly maxSources = 10_000) {}

  /** @param nowMs monotonic. @returns whether the source may try once more */
  take(source: string, nowMs: number): boolean {
    const known = this.sources.get(source);
    const left = known ? Math.min(this.atOnce, known.left + ((nowMs - known.at) / 1000) * this.perSecond) : this.atOnce;
    this.sources.delete(source);
    if (this.sources.size >= this.maxSources) this.sources.delete(this.sources.keys().next().value as string);
    this.sources.set(source, { left: left >= 1 ? left - 1 : left, at: nowMs });
    return left >= 1;
  }
}
