import type { Leaf } from '../entries/leaf.js';
import type { Finding } from './finding.js';

/** Numbers that were passed over, and when that showed, in milliseconds. */
interface Missing {
  from: bigint;
  to: bigint;
  sinceMs: number;
}

interface Producer {
  /** One more than the highest number that was seen. */
  next: bigint;
  /** What was not seen below it, lowest first. */
  missing: Missing[];
}

/**
 * Follows the producers' gap-free numbers. Events overtake one another on their way, so a missing number counts only
 * after `graceMs`. An event that was deleted before it was recorded leaves its number missing for ever; what is kept of
 * a producer grows with its gaps, not with what it says after them.
 */
export class Counters {
  private readonly producers = new Map<string, Producer>();

  constructor(private readonly graceMs: number) {}

  take({ src, n }: Leaf, nowMs: number): void {
    if (src === undefined || n === undefined || !/^\d{1,19}$/.test(n)) return;
    const number = BigInt(n);
    let producer = this.producers.get(src);
    if (!producer) this.producers.set(src, (producer = { next: 1n, missing: [] }));
    if (number < producer.next) return found(producer.missing, number);
    if (number > producer.next) producer.missing.push({ from: producer.next, to: number - 1n, sinceMs: nowMs });
    producer.next = number + 1n;
  }

  /** The lowest gap of each producer that is too old to be late. */
  gaps(nowMs: number): Finding[] {
    return [...this.producers].flatMap(([src, { missing: [first] }]) => {
      if (!first || nowMs - first.sinceMs < this.graceMs) return [];
      return [{ code: 'counter-gap' as const, detail: `${src} said number ${first.from}, which was never recorded, though later ones were.` }];
    });
  }
}

function found(missing: Missing[], number: bigint): void {
  const at = missing.findIndex(({ from, to }) => from <= number && number <= to);
  const range = missing[at];
  if (!range) return;
  const left = [{ ...range, to: number - 1n }, { ...range, from: number + 1n }].filter(({ from, to }) => from <= to);
  missing.splice(at, 1, ...left);
}
