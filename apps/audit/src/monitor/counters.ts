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
  /** The first number that came twice. */
  twice?: bigint;
}

/**
 * Follows the producers' gap-free numbers. Events overtake one another on their way, so a missing number counts only
 * after `graceMs`. An event that was deleted before it was recorded leaves its number missing for ever; one that was said
 * again under another id, or by a producer that was set back, has a number that was taken. What is kept of a producer
 * grows with its gaps, not with what it says after them.
 */
export class Counters {
  private readonly producers = new Map<string, Producer>();

  constructor(private readonly graceMs: number) {}

  take({ src, n, type, data }: Leaf, nowMs: number): void {
    const number = numberIn(n);
    if (src === undefined || number === undefined) return;
    const producer = this.producer(src);
    if (number >= producer.next) reach(producer, number, nowMs);
    else if (!found(producer.missing, number)) producer.twice ??= number;
    if (type === 'service.alive') this.takeCounts(src.slice(0, src.indexOf('/') + 1), data?.counters, nowMs);
  }

  /** A service says how far it has counted, so that a last number shows which is missing with nothing after it. */
  private takeCounts(prefix: string, counts: unknown, nowMs: number): void {
    if (!Array.isArray(counts) || prefix === '') return;
    for (const { producer: src, n } of counts as { producer?: unknown; n?: unknown }[]) {
      const number = numberIn(n);
      if (typeof src !== 'string' || !src.startsWith(prefix) || number === undefined) continue;
      const producer = this.producer(src);
      if (number < producer.next) continue;
      reach(producer, number, nowMs);
      miss(producer, number, number, nowMs);
    }
  }

  private producer(src: string): Producer {
    let producer = this.producers.get(src);
    if (!producer) this.producers.set(src, (producer = { next: 1n, missing: [] }));
    return producer;
  }

  /** Of each producer the lowest gap that is too old to be late, and the first number that came twice. */
  wrong(nowMs: number): Finding[] {
    return [...this.producers].flatMap(([src, { missing: [first], twice }]) => {
      const findings: Finding[] = [];
      if (first && nowMs - first.sinceMs >= this.graceMs) findings.push({ code: 'counter-gap', detail: `${src} said number ${first.from}, which was never recorded.` });
      if (twice !== undefined) findings.push({ code: 'counter-twice', detail: `${src} said number ${twice} twice: somebody said again what it had said, or it was set back.` });
      return findings;
    });
  }
}

function numberIn(text: unknown): bigint | undefined {
  return typeof text === 'string' && /^\d{1,19}$/.test(text) ? BigInt(text) : undefined;
}

/** Takes a number in that is higher than all before it. */
function reach(producer: Producer, number: bigint, nowMs: number): void {
  if (number > producer.next) miss(producer, producer.next, number - 1n, nowMs);
  producer.next = number + 1n;
}

function miss({ missing }: Producer, from: bigint, to: bigint, sinceMs: number): void {
  missing.push({ from, to, sinceMs });
}

/** @returns whether the number was missing until now */
function found(missing: Missing[], number: bigint): boolean {
  const at = missing.findIndex(({ from, to }) => from <= number && number <= to);
  const range = missing[at];
  if (!range) return false;
  const left = [{ ...range, to: number - 1n }, { ...range, from: number + 1n }].filter(({ from, to }) => from <= to);
  missing.splice(at, 1, ...left);
  return true;
}
