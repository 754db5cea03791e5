import type { Resource } from './catalog.js';
import { decideCanonical, wouldApprove } from './decide.js';
import type { Change, Decision, Nearest } from './decision.js';
import { durationInWords } from './duration.js';
import { unknownTo } from './facts.js';
import type { CanonicalFacts } from './facts.js';
import { DecisionMemo } from './memo.js';
import { mentionsOf } from './mentions.js';
import type { PolicySet } from './policy-set.js';
import { factAt } from './projection.js';

/** Beyond so many kinds of scope only a shorter end or another environment is tried. */
const maxUnits = 8;

/** Adds the nearest approvable request to a hold or denial; anything else is returned as it is. */
export function withNearest(set: PolicySet, decision: Decision): Decision {
  if (decision.outcome === 'approve' || !decision.input) return decision;
  const nearest = nearestApprovable(set, decision.input);
  return nearest ? { ...decision, nearest } : decision;
}

/**
 * Finds the nearest request that the set approves by itself, by deciding candidates in order: the same environment
 * before another, as many scopes as possible, then as long as possible. The first to be approved is minimal: every request
 * that changes less (at least its scopes, at least its lifetime, no further environment) came before it and was not.
 */
export function nearestApprovable(set: PolicySet, facts: CanonicalFacts): Nearest | undefined {
  const resource = set.catalog.resources.get(facts.resource);
  if (!resource) return undefined;
  const known = facts.scopes.filter((scope) => resource.scopes.has(scope));
  const terrain = terrainOf(set);
  const lifetimes = [facts.ttlSeconds, ...terrain.lifetimeEdges.filter((edge) => edge >= 1 && edge < facts.ttlSeconds)];
  const scopeSets = smallerSets(resource, terrain.namedScopes, known);
  const others = [...resource.environments.keys()].filter((environment) => environment !== facts.environment);
  for (const environment of [facts.environment, ...others]) {
    for (const scopes of scopeSets) {
      for (const ttlSeconds of lifetimes) {
        const candidate = { ...facts, audience: facts.resource, environment, scopes, ttlSeconds };
        if (approves(set, terrain, candidate) && decideCanonical(set, candidate).outcome === 'approve') return describe(facts, candidate);
      }
    }
  }
  return undefined;
}

/** What the search needs to know of a set, read off its rules once. */
interface Terrain {
  /** The ends of every stretch of lifetimes within which no rule changes its mind, longest first. */
  readonly lifetimeEdges: readonly number[];
  readonly namedScopes: ReadonlySet<string>;
  /** Every fact that any rule looks at: candidates that agree in these have one answer. */
  readonly paths: readonly string[];
  readonly answers: DecisionMemo<boolean>;
}

const terrains = new WeakMap<PolicySet, Terrain>();

function terrainOf(set: PolicySet): Terrain {
  let terrain = terrains.get(set);
  if (!terrain) {
    const rules = [...set.rules.values()];
    const { integers, texts } = mentionsOf(rules.filter(({ question }) => question !== 'oblige'));
    terrain = {
      lifetimeEdges: [...new Set([...(integers.get('context.ttlSeconds') ?? [])].flatMap((number) => [number - 1, number]))].sort((a, b) => b - a),
      namedScopes: new Set((texts.get('context.scopes') ?? []).map((pattern) => pattern.join(''))),
      paths: [...new Set([...mentionsOf(rules).paths.values()].flatMap((paths) => [...paths]))],
      answers: new DecisionMemo(50_000),
    };
    terrains.set(set, terrain);
  }
  return terrain;
}

function approves(set: PolicySet, { paths, answers }: Terrain, candidate: CanonicalFacts): boolean {
  if (unknownTo(set.catalog, candidate)) return false;
  const key = paths.map((path) => factAt(set.catalog, path, candidate)).join('\u0000');
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = wouldApprove(set, candidate);
    answers.set(key, answer);
  }
  return answer;
}

/**
 * Sets of scopes, largest first. Scopes that no rule names and that share a tier go together: rules see only whether any is
 * left.
 */
function smallerSets({ scopes: tiers }: Resource, named: ReadonlySet<string>, scopes: readonly string[]): string[][] {
  const units = Object.values(Object.groupBy(scopes, (scope) => (named.has(scope) ? `scope ${scope}` : `tier ${tiers.get(scope)}`))) as string[][];
  if (units.length > maxUnits) return [[...scopes]];
  return Array.from({ length: 2 ** units.length - 1 }, (_, i) => units.filter((_unit, bit) => ((i + 1) >> bit) & 1).flat().sort())
    .sort((a, b) => b.length - a.length || (a.join(' ') < b.join(' ') ? -1 : 1));
}

function describe(from: CanonicalFacts, to: CanonicalFacts): Nearest {
  const changes: Change[] = [];
  const words: string[] = [];
  if (to.environment !== from.environment) {
    changes.push({ kind: 'another-environment', environment: to.environment });
    words.push(`in ${to.environment} instead of ${from.environment}`);
  }
  const without = from.scopes.filter((scope) => !to.scopes.includes(scope));
  if (without.length > 0) {
    changes.push({ kind: 'fewer-scopes', without });
    words.push(`without ${without.slice(0, 3).join(', ')}${without.length > 3 ? ` and ${without.length - 3} more` : ''}`);
  }
  if (to.ttlSeconds < from.ttlSeconds) {
    changes.push({ kind: 'shorter-end', ttlSeconds: to.ttlSeconds });
    words.push(`for ${durationInWords(to.ttlSeconds)} instead of ${durationInWords(from.ttlSeconds)}`);
  }
  return { facts: to, changes, words: `It would be approved automatically if asked ${words.join(', ') || `with audience ${to.audience}`}.` };
}
