import { isDeepStrictEqual } from 'node:util';
import { analyse } from './analysis.js';
import type { Analysis } from './analysis.js';
import type { Expectation, GoldenCase } from './cases.js';
import { decide } from './decide.js';
import type { Decision } from './decision.js';
import { loadPolicySet } from './policy-set.js';
import type { PolicyFiles, PolicySet } from './policy-set.js';
import type { Problem } from './problem.js';

export interface CaseResult {
  readonly name: string;
  readonly passed: boolean;
  /** What differs from the expectation, each in words. */
  readonly differences: readonly string[];
  readonly decision: Decision;
}

/** All that stands between a set and its activation, except people and the past. */
export interface CheckResult {
  readonly valid: boolean;
  readonly digest: string;
  readonly problems: readonly Problem[];
  readonly cases: readonly CaseResult[];
  /** Absent when the set did not load. */
  readonly analysis?: Analysis;
  readonly set?: PolicySet;
}

/** Loads a set, runs its golden cases and analyses it. Valid means: no problem of any kind, warnings included. */
export function checkPolicySet(files: PolicyFiles): CheckResult {
  const { digest, set, problems } = loadPolicySet(files);
  if (!set) return { valid: false, digest, problems, cases: [] };
  const cases = runCases(set);
  const failed = set.cases.flatMap((golden, i): Problem[] => {
    const { passed, differences } = cases[i]!;
    return passed ? [] : [{ ...golden.place, code: 'case-failed', severity: 'error', message: `"${golden.name}": ${differences.join('; ')}` }];
  });
  const analysis = analyse(set);
  const all = [...failed, ...analysis.problems];
  return { valid: all.length === 0, digest, problems: all, cases, analysis, set };
}

/** Decides the golden cases of a set and says where the answers differ from what its authors expect. */
export function runCases(set: PolicySet): CaseResult[] {
  return set.cases.map((golden: GoldenCase) => {
    const decision = decide(set, golden.facts);
    const differences = differencesFrom(golden.expect, decision);
    return { name: golden.name, passed: differences.length === 0, differences, decision };
  });
}

function differencesFrom(expect: Expectation, decision: Decision): string[] {
  const { obligations, because } = decision;
  const pairs: [string, unknown, unknown][] = [
    ['outcome', expect.outcome, decision.outcome],
    ['code', expect.code, decision.code],
    ['require', expect.require, decision.require],
    ['maxTtl in seconds', expect.maxTtlSeconds, obligations.maxTtlSeconds],
    ['rotate in seconds', expect.rotateSeconds, obligations.rotateSeconds],
  ];
  const differences = pairs
    .filter(([, expected, actual]) => expected !== undefined && !isDeepStrictEqual(expected, actual))
    .map(([name, expected, actual]) => `${name} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
  const missing = (expect.because ?? []).filter((id) => !because.some((rule) => rule.id === id));
  return missing.length === 0 ? differences : [...differences, `not decided by ${missing.join(', ')} but by ${because.map(({ id }) => id).join(', ') || 'no rule'}`];
}
