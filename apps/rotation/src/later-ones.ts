/** When something that is due in bucket `n` comes again: `more` times, `every` so many buckets. */
export interface Rhythm {
  n: number;
  /** Buckets in all. */
  count: number;
  every: number;
  more: number;
}

/** How often it comes in each bucket, this time among them; where in its bucket the first one lies is not known: in the middle. */
export function* laterOnes({ n, count, every, more }: Rhythm): Generator<[bucket: number, times: number]> {
  const upTo = (buckets: number) => (every > 0 && buckets > 0 ? Math.min(more, Math.floor(buckets / every)) : 0);
  yield [n, 1 + upTo(0.5)];
  for (let at = n + 1; at < count && upTo(at - n - 0.5) < more; at++) {
    const times = upTo(at - n + 0.5) - upTo(at - n - 0.5);
    if (times > 0) yield [at, times];
  }
}
