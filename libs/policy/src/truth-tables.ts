import type { Catalog } from './catalog.js';
import { combine } from './combine.js';
import type { Verdict } from './combine.js';
import { engine } from './engine.js';
import type { Answer } from './engine.js';
import type { CanonicalFacts } from './facts.js';
import type { Mentions } from './mentions.js';
import { factAt } from './projection.js';
import { cedarRequest } from './schema.js';
import type { Rule } from './rule.js';

export interface Failure {
  readonly rule: Rule;
  readonly facts: CanonicalFacts;
  readonly message: string;
}

/**
 * Every rule of a set evaluated alone, once for each combination of the facts it looks at. From these the verdict on any
 * of the requests follows by the same combination that decides, without asking the engine again.
 */
export class TruthTables {
  /** The first failure of each rule that fails anywhere. */
  readonly failures: Failure[] = [];
  private readonly tables = new Map<string, Map<string, boolean>>();
  private readonly rules: readonly Rule[];
  private readonly paths: readonly string[];
  /** By rule, the places in `paths` of what it looks at. */
  private readonly looks: readonly (readonly number[])[];

  constructor(private readonly set: { readonly catalog: Catalog; readonly rules: ReadonlyMap<string, Rule> }, mentions: Mentions, requests: Iterable<CanonicalFacts>) {
    this.rules = [...set.rules.values()];
    this.paths = [...new Set(this.rules.flatMap(({ id }) => [...mentions.paths.get(id)!]))];
    this.looks = this.rules.map(({ id }) => [...mentions.paths.get(id)!].map((path) => this.paths.indexOf(path)));
    const samples = this.rules.map(() => new Map<string, CanonicalFacts>());
    for (const facts of requests) {
      this.keysOf(facts).forEach((key, i) => {
        if (!samples[i]!.has(key)) samples[i]!.set(key, facts);
      });
    }
    this.rules.forEach((rule, i) => this.tables.set(rule.id, this.evaluate(rule, samples[i]!)));
  }

  isEverSatisfied(id: string): boolean {
    return [...this.tables.get(id)!.values()].includes(true);
  }

  satisfiedBy(facts: CanonicalFacts): Rule[] {
    const keys = this.keysOf(facts);
    return this.rules.filter(({ id }, i) => this.tables.get(id)!.get(keys[i]!));
  }

  /** The verdict on facts the catalog knows, when these rules and no others are satisfied. */
  combined(facts: CanonicalFacts, satisfied: readonly Rule[]): Verdict {
    const ids = (question: Rule['question'], effect: Rule['effect']): string[] => (
      satisfied.filter((rule) => rule.question === question && rule.effect === effect).map(({ id }) => id)
    );
    const denials = ids('consider', 'forbid');
    const reviews = ids('autoApprove', 'forbid');
    const permits = ids('autoApprove', 'permit');
    const answer = (allowed: boolean, determining: readonly string[]): Answer => ({ allowed, satisfied: determining, errors: [] });
    return combine(this.set.rules, this.set.catalog.resources.get(facts.resource)!.owner, {
      consider: answer(denials.length === 0, denials),
      autoApprove: answer(reviews.length === 0 && permits.length > 0, reviews.length > 0 ? reviews : permits),
      oblige: answer(true, ids('oblige', 'permit')),
    });
  }

  private evaluate(rule: Rule, sample: ReadonlyMap<string, CanonicalFacts>): Map<string, boolean> {
    const alone = { rules: [rule] };
    const table = new Map<string, boolean>();
    let failed = false;
    for (const [key, facts] of sample) {
      const { satisfied, errors } = engine.decide(alone, rule.question, cedarRequest(this.set.catalog, facts));
      if (errors.length > 0 && !failed) this.failures.push({ rule, facts, message: errors[0]!.message });
      failed ||= errors.length > 0;
      table.set(key, satisfied.includes(rule.id));
    }
    return table;
  }

  /** For each rule the facts it looks at, as one text: requests that agree in it are the same to the rule. */
  private keysOf(facts: CanonicalFacts): string[] {
    const values = this.paths.map((path) => factAt(this.set.catalog, path, facts));
    return this.looks.map((places) => {
      let key = '';
      for (const place of places) key += `${values[place]}\u0000`;
      return key;
    });
  }
}
