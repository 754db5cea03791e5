import type { Leaf } from '../entries/leaf.js';
import type { Finding } from './finding.js';

interface Producer {
  /** The lowest number that was not seen yet. */
  next: bigint;
  /** Numbers seen beyond it. */
  ahead: Set<bigint>;
  /** When something was first seen beyond it, in milliseconds. */
  waitingSince?: number;
}

/**
 * Follows the producers' gap-free numbers. Events overtake one another on their way, so a missing number counts only
 * after `graceMs`. An event that was deleted before it was recorded leaves its number missing for ever.
 */
export class Counters {
  private readonly producers = new Map<string, Producer>();

  constructor(private readonly graceMs: number) {}

  take({ src, n }: Leaf, nowMs: number): void {
    if (src === undefined || n === undefined || !/^\d{1,19}$/.test(n)) return;
    const number = BigInt(n);
    let producer = this.producers.get(src);
    if (!producer) this.producers.set(src, (producer = { next: 1n, ahead: new Set() }));
    if (number < producer.next) return;
    producer.ahead.add(number);
    const before = producer.next;
    while (producer.ahead.delete(producer.next)) producer.next += 1n;
    if (producer.ahead.size === 0) producer.waitingSince = undefined;
    else if (producer.next !== before || producer.waitingSince === undefined) producer.waitingSince = nowMs;
  }

  /** The gaps that are too old to be late. */
  gaps(nowMs: number): Finding[] {
    return [...this.producers].flatMap(([src, { next, ahead, waitingSince }]) => {
      if (waitingSince === undefined || nowMs - waitingSince < this.graceMs) return [];
      return [{ code: 'counter-gap' as const, detail: `${src} said number ${next}, which was never recorded; ${ahead.size} later ones were.` }];
    });
  }
}
