import type { Assertion } from './cases.js';
import { decideCanonical } from './decide.js';
import type { CanonicalFacts } from './facts.js';
import { boundariesOf, points, sizeOf } from './grid.js';
import type { Boundaries } from './grid.js';
import { mentionsOf } from './mentions.js';
import { requestInWords } from './words.js';
import type { PolicySet } from './policy-set.js';
import type { Problem } from './problem.js';
import { quorumProblems } from './quorum.js';
import type { Rule } from './rule.js';
import { TruthTables } from './truth-tables.js';

export const maxPoints = 1_000_000;

/** What was proven of a set, over which requests, and what was not. */
export interface Analysis {
  readonly problems: readonly Problem[];
  /** How far the proof reaches, in one sentence. */
  readonly statement: string;
  /** True when every request a rule could tell apart is like one that was tried. */
  readonly exhaustive: boolean;
  readonly points: number;
  readonly boundaries?: Boundaries;
  readonly assertions: readonly AssertionResult[];
}

export interface AssertionResult {
  readonly name: string;
  readonly holds: boolean;
  /** A request that is approved by itself and should not be. */
  readonly counterExample?: CanonicalFacts;
}

const nowhere = { file: 'cases.yaml', line: 1, column: 1 };
/** Held of every set, whatever its own assertions say. */
export const alwaysAsserted: Assertion = {
  name: 'no scope of tier write or admin in production is ever approved without a human',
  when: { sensitivities: ['production'], tiers: ['write', 'admin'] },
  place: nowhere,
};

/**
 * Tries every request of catalog × boundary values. Each rule is evaluated alone, once for every combination of the facts
 * it looks at; the outcomes are combined from those. Refuses (as problems) rules that no request reaches, denies and
 * reviews without effect, quorums nobody or only the requester could meet, errors, and broken assertions.
 */
export function analyse(set: PolicySet): Analysis {
  const assertions = [alwaysAsserted, ...set.assertions];
  const mentions = mentionsOf(set.rules.values());
  const refuse = (problems: Problem[], statement: string): Analysis => ({ problems, statement, exhaustive: false, points: 0, assertions: [] });
  const opaque = [...mentions.opaque].map(([id, why]) => at(set.rules.get(id)!, 'not-analysable', `nothing can be proven of "${id}": ${why}`));
  if (opaque.length > 0) return refuse(opaque, 'Nothing was proven: some rules cannot be analysed.');
  const boundaries = boundariesOf(set.catalog, mentions, assertions);
  const size = typeof boundaries === 'string' ? boundaries : sizeOf(set.catalog, boundaries);
  if (typeof boundaries === 'string' || typeof size === 'string' || size > maxPoints) {
    const much = typeof boundaries === 'string' ? boundaries : `${size} requests to try; at most ${maxPoints}`;
    return refuse([{ file: 'catalog.yaml', line: 1, column: 1, code: 'analysis-too-large', severity: 'error', message: `there is too much to prove: ${much}` }], 'Nothing was proven: the set is too large.');
  }

  const tables = new TruthTables(set, mentions, points(set.catalog, boundaries));
  const sweep = sweepOf(set, boundaries, tables, assertions);
  const results = assertions.map(({ name }, i): AssertionResult => {
    const counterExample = sweep.counterExamples[i];
    return { name, holds: counterExample === undefined, ...(counterExample ? { counterExample } : {}) };
  });
  return {
    problems: [
      ...tables.failures.map(({ rule, facts, message }) => at(rule, 'evaluation-error', `"${rule.id}" fails for ${requestInWords(facts)}: ${message}`)),
      ...unreachable(set, sweep),
      ...shadowed(set, sweep),
      ...quorumProblems(set, mentions, boundaries),
      ...assertions.flatMap((assertion, i) => broken(set, assertion, sweep.counterExamples[i])),
    ],
    statement: `Tried all ${size} requests of the catalog × the boundary values found in the rules; within the language that rules may use, every other request is like one of these.`,
    exhaustive: true,
    points: size,
    boundaries,
    assertions: results,
  };
}

interface Sweep {
  readonly reached: ReadonlySet<string>;
  /** Review rules that hold somewhere that is not denied anyway. */
  readonly effective: ReadonlySet<string>;
  /** Every set of denying rules that hold together. */
  readonly denials: ReadonlyMap<string, readonly string[]>;
  readonly counterExamples: readonly (CanonicalFacts | undefined)[];
}

function sweepOf(set: PolicySet, boundaries: Boundaries, tables: TruthTables, assertions: readonly Assertion[]): Sweep {
  const reached = new Set<string>();
  const effective = new Set<string>();
  const denials = new Map<string, string[]>();
  const counterExamples: (CanonicalFacts | undefined)[] = assertions.map(() => undefined);
  for (const facts of points(set.catalog, boundaries)) {
    const satisfied = tables.satisfiedBy(facts);
    for (const { id } of satisfied) reached.add(id);
    const { outcome, because } = tables.combined(facts, satisfied);
    if (outcome === 'deny') {
      const denying = because.map(({ id }) => id);
      denials.set(denying.join(' '), denying);
    } else if (outcome === 'hold') for (const { id } of because) effective.add(id);
    else {
      assertions.forEach((assertion, i) => {
        if (!counterExamples[i] && concerns(set, assertion, facts)) counterExamples[i] = facts;
      });
    }
  }
  return { reached, effective, denials, counterExamples };
}

function concerns(set: PolicySet, { when }: Assertion, facts: CanonicalFacts): boolean {
  const resource = set.catalog.resources.get(facts.resource)!;
  const among = <T>(wanted: readonly T[] | undefined, ...actual: T[]): boolean => !wanted || actual.some((value) => wanted.includes(value));
  const is = (wanted: boolean | undefined, actual: boolean): boolean => wanted === undefined || wanted === actual;
  return among(when.resources, facts.resource)
    && among(when.environments, facts.environment)
    && among(when.sensitivities, resource.environments.get(facts.environment)!)
    && among(when.tiers, ...facts.scopes.map((scope) => resource.scopes.get(scope)!))
    && among(when.scopes, ...facts.scopes)
    && among(when.trust, facts.requester.trust)
    && is(when.knownTeam, set.catalog.teams.has(facts.requester.team))
    && is(when.shrinkOnly, facts.shrinkOnly)
    && facts.ttlSeconds > (when.longerThanSeconds ?? 0);
}

function unreachable(set: PolicySet, { reached }: Sweep): Problem[] {
  return [...set.rules.values()].filter(({ id }) => !reached.has(id))
    .map((rule) => at(rule, 'unreachable-rule', `no request of this catalog ever meets the conditions of "${rule.id}"`));
}

/** From the last to the first, so that of two equal denies the later one is named. */
function shadowed(set: PolicySet, { reached, effective, denials }: Sweep): Problem[] {
  const rules = [...set.rules.values()].filter(({ id }) => reached.has(id));
  const kept = new Set(rules.filter(({ question }) => question === 'consider').map(({ id }) => id));
  const problems: Problem[] = [];
  for (const id of [...kept].reverse()) {
    const together = [...denials.values()].filter((ids) => ids.includes(id));
    if (!together.every((ids) => ids.some((other) => other !== id && kept.has(other)))) continue;
    kept.delete(id);
    problems.push(at(set.rules.get(id)!, 'shadowed-deny', `wherever "${id}" denies, another rule denies as well`));
  }
  const silent = rules.filter(({ id, review }) => review !== undefined && !effective.has(id));
  return [...problems, ...silent.map((rule) => at(rule, 'shadowed-deny', `wherever "${rule.id}" asks for a review, the request is denied anyway`))];
}

function broken(set: PolicySet, assertion: Assertion, counterExample: CanonicalFacts | undefined): Problem[] {
  if (!counterExample) return [];
  const culprit = set.rules.get(decideCanonical(set, counterExample).because[0]?.id ?? '');
  const message = `"${assertion.name}" does not hold: ${requestInWords(counterExample)} is approved by ${culprit ? `"${culprit.id}"` : 'a rule'}`;
  if (assertion === alwaysAsserted && culprit) return [at(culprit, 'assertion-failed', message)];
  return [{ ...assertion.place, code: 'assertion-failed', severity: 'error', message }];
}

function at(rule: Rule, code: Problem['code'], message: string): Problem {
  return rule.source.problem(rule.offset, code, message);
}
