import { canonicalJson } from '@writ/contracts/canonical';
import { canonicalFacts, malformed } from './facts.js';
import type { PolicyFacts } from './facts.js';

/**
 * Remembers answers by an exact key, for one policy set only: a change of set takes a new memo. Facts hold no clock, so no
 * answer grows old. Bounded; what was not asked for longest goes first.
 */
export class DecisionMemo<T> {
  private readonly answers = new Map<string, T>();

  constructor(private readonly size = 20_000) {}

  /** The key equal facts share; undefined for malformed ones, which are not worth remembering. */
  static keyOf(facts: PolicyFacts): string | undefined {
    return malformed(facts) ? undefined : canonicalJson(canonicalFacts(facts));
  }

  get(key: string): T | undefined {
    const answer = this.answers.get(key);
    if (answer === undefined) return undefined;
    this.answers.delete(key);
    this.answers.set(key, answer);
    return answer;
  }

  set(key: string, answer: T): void {
    this.answers.delete(key);
    this.answers.set(key, answer);
    if (this.answers.size > this.size) this.answers.delete(this.answers.keys().next().value!);
  }

  delete(key: string): void {
    this.answers.delete(key);
  }
}
