import { canonicalJson, digestOfText } from '@writ/contracts/canonical';
import { combine } from './combine.js';
import type { Verdict } from './combine.js';
import type { Decision } from './decision.js';
import { engine as cedarEngine } from './engine.js';
import type { Answer, PolicyEngine } from './engine.js';
import { durationInWords } from './duration.js';
import { canonicalFacts, malformed, unknownTo } from './facts.js';
import type { CanonicalFacts, PolicyFacts, Refusal } from './facts.js';
import type { PolicySet } from './policy-set.js';
import { cedarRequest } from './schema.js';
import type { Question } from './schema.js';
import type { Rule, RuleRef } from './rule.js';

/**
 * Decides one request under one set. Total: malformed facts and things the catalog does not know are denied with a
 * code, any evaluation error holds for review, and nothing is ever approved but by a permit that was evaluated without an
 * error and no rule to the contrary. The same set, engine and facts give the same bytes.
 */
export function decide(set: PolicySet, facts: PolicyFacts, engine: PolicyEngine = cedarEngine): Decision {
  const invalid = malformed(facts);
  if (invalid) return refused(set, engine, invalid, null);
  return decideCanonical(set, canonicalFacts(facts), engine);
}

/** Decides facts that are well-formed and in canonical form already, as a stored decision holds them. */
export function decideCanonical(set: PolicySet, input: CanonicalFacts, engine: PolicyEngine = cedarEngine): Decision {
  const unknown = unknownTo(set.catalog, input);
  if (unknown) return refused(set, engine, unknown, input);
  const request = cedarRequest(set.catalog, input);
  const ask = (question: Question): Answer => engine.decide(set.engineRules, question, request);
  const answers = { consider: ask('consider'), autoApprove: ask('autoApprove'), oblige: ask('oblige') };
  const owner = set.catalog.resources.get(input.resource)!.owner;
  const verdict = combine(set.rules, owner, answers);
  return {
    outcome: verdict.outcome,
    code: verdict.code,
    message: messageOf(verdict, input, owner),
    because: verdict.because.map(cite),
    ...(verdict.require ? { require: verdict.require } : {}),
    ...(verdict.slaSeconds === undefined ? {} : { slaSeconds: verdict.slaSeconds }),
    obligations: verdict.obligations,
    obligedBy: verdict.obligedBy.map(cite),
    ...provenance(set, engine, input),
    errors: [...answers.consider.errors, ...answers.autoApprove.errors, ...answers.oblige.errors],
  };
}

/** Whether {@link decideCanonical} would approve, asking no more than it takes to know. */
export function wouldApprove(set: PolicySet, input: CanonicalFacts): boolean {
  if (unknownTo(set.catalog, input)) return false;
  const request = cedarRequest(set.catalog, input);
  return cedarEngine.decide(set.engineRules, 'autoApprove', request).allowed && decideCanonical(set, input).outcome === 'approve';
}

function refused(set: PolicySet, engine: PolicyEngine, { code, message }: Refusal, input: CanonicalFacts | null): Decision {
  return { outcome: 'deny', code, message, because: [], obligations: {}, obligedBy: [], ...provenance(set, engine, input), errors: [] };
}

function provenance(set: PolicySet, engine: PolicyEngine, input: CanonicalFacts | null) {
  return { policyDigest: set.digest, engineVersion: engine.version, input, inputDigest: digestOfText(canonicalJson(input)) };
}

function cite({ id, reason, ref }: Rule): RuleRef {
  return ref === undefined ? { id, reason } : { id, reason, ref };
}

function messageOf(verdict: Verdict, input: CanonicalFacts, owner: string): string {
  const reasons = verdict.because.map(({ reason }) => reason).join('; ');
  const who = Object.entries(verdict.require ?? {}).map(([group, count]) => `${count} ${count === 1 ? 'person' : 'people'} of group ${group}`).join(' and ');
  const { maxTtlSeconds } = verdict.obligations;
  const shorter = maxTtlSeconds !== undefined && maxTtlSeconds < input.ttlSeconds ? ` It lives ${durationInWords(maxTtlSeconds)} at most.` : '';
  switch (verdict.code) {
    case 'auto-approved': return `Approved automatically: ${reasons}.${shorter}`;
    case 'review-required': return `Needs the approval of ${who}: ${reasons}.${shorter}`;
    case 'no-auto-rule': return `No rule approves this by itself, so the owners of ${input.resource} decide: ${who || owner}.${shorter}`;
    case 'evaluation-error': return `A rule could not be evaluated, so a human must look: ${who}.${shorter}`;
    default: return `Refused: ${reasons}.`;
  }
}
