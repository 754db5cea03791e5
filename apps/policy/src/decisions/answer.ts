import {
  durationText, signStatement, type AcceptedRequest, type DecisionClaims, type Digest, type Nearest, type Quorum, type RequestApproved,
  type RequestDenied, type RequestHeld, type RuleRef, type SigningKey,
} from '@writ/contracts';
import type { Decision } from '@writ/policy';
import { alikeKey } from './alike.js';
import { grantOf } from './grant.js';
import { quorumsOf } from '../reviews/settle.js';

/** What is asked, under the digest that its approval binds to. */
export interface DigestedRequest extends AcceptedRequest {
  requestDigest: Digest;
  /** The request service's. */
  statement: string;
}

/** What is said of a decision. */
export type Answer =
  | { type: 'request.approved'; state: 'approved'; data: RequestApproved }
  | { type: 'request.held'; state: 'held'; data: RequestHeld; alikeKey: string }
  | { type: 'request.denied'; state: 'denied'; data: RequestDenied };

/** Who signs, and by which activation of a policy set it was decided. */
export interface Seal {
  key: SigningKey;
  activation: number;
}

export interface Lifetimes {
  /** How long a held request waits where no rule says. */
  reviewSeconds: number;
  /** How long what is signed counts. */
  decisionSeconds: number;
}

/** Puts a decision into the words of the bus, signed. Held requests lapse after the rules' time, else the configured. */
export function answerTo(request: DigestedRequest, decision: Decision, seal: Seal, lifetimes: Lifetimes, now: Date): Answer {
  if (decision.outcome === 'hold') return held(request, decision, seal, lifetimes, now);
  if (decision.outcome === 'deny') return denied(request, decision, decision.code, seal, lifetimes, now);
  const grant = grantOf(request, decision.obligations, [], now);
  if (typeof grant === 'string') return denied(request, decision, grant, seal, lifetimes, now);
  const shrinks = decision.input?.shrinkOnly && request.replaces ? { shrinks: request.replaces } : {};
  const claims = { ...claimsOf(request, decision, 'approve', [], seal, now, lifetimes.decisionSeconds), ...shrinks };
  return {
    type: 'request.approved',
    state: 'approved',
    data: { ...common(request, decision, decision.code), grant, require: [], statement: signStatement(seal.key, 'decision', { ...claims, grant }), votes: [] },
  };
}

/** Approved by policy and people: the quorum is named, and the votes that fill it go along. */
export function approvedByReview(
  request: DigestedRequest, decision: Decision, { require, grant, votes }: { require: Quorum[]; grant: RequestApproved['grant']; votes: string[] },
  seal: Seal, lifetimes: Lifetimes, now: Date,
): RequestApproved {
  const claims = claimsOf(request, decision, 'approve', require, seal, now, lifetimes.decisionSeconds);
  return { ...common(request, decision, 'approved-by-review'), grant, require, statement: signStatement(seal.key, 'decision', { ...claims, grant }), votes };
}

/** Denied after it was held. */
export function deniedInReview(request: DigestedRequest, decision: Decision, code: string, seal: Seal, lifetimes: Lifetimes, now: Date): RequestDenied {
  return denied(request, decision, code, seal, lifetimes, now).data;
}

function held(request: DigestedRequest, decision: Decision, seal: Seal, lifetimes: Lifetimes, now: Date): Answer & { type: 'request.held' } {
  const require = quorumsOf(decision.require ?? {});
  const waitSeconds = decision.slaSeconds ?? lifetimes.reviewSeconds;
  return {
    type: 'request.held',
    state: 'held',
    alikeKey: alikeKey(request, decision.code, require),
    data: {
      ...common(request, decision, decision.code), require, ...nearestOf(decision), lapsesAt: new Date(now.getTime() + waitSeconds * 1000).toISOString(),
      statement: signStatement(seal.key, 'decision', claimsOf(request, decision, 'hold', require, seal, now, waitSeconds)),
    },
  };
}

function denied(
  request: DigestedRequest, decision: Decision, code: string, seal: Seal, lifetimes: Lifetimes, now: Date,
): Answer & { type: 'request.denied' } {
  const claims = claimsOf(request, decision, 'deny', [], seal, now, lifetimes.decisionSeconds);
  return {
    type: 'request.denied',
    state: 'denied',
    data: { ...common(request, decision, code), ...nearestOf(decision), statement: signStatement(seal.key, 'decision', claims) },
  };
}

function common(request: DigestedRequest, decision: Decision, code: string) {
  const { requestId, requestDigest } = request;
  return { requestId, requestDigest, policyDigest: decision.policyDigest as Digest, code, because: becauseOf(decision) };
}

/** Where no rule was the reason, as when the catalog knows no such scope, the decision's own words are: nobody hears a bare no. */
function becauseOf({ because, code, message }: Decision): RuleRef[] {
  return because.length > 0 ? because.map((rule) => ({ ...rule })) : [{ id: code, reason: message.slice(0, 512) }];
}

function claimsOf(
  request: DigestedRequest, decision: Decision, outcome: DecisionClaims['outcome'], require: Quorum[], { activation }: Seal, now: Date, lifetimeSeconds: number,
): DecisionClaims {
  const iat = Math.floor(now.getTime() / 1000);
  return {
    iat, exp: iat + lifetimeSeconds, requestId: request.requestId, requestDigest: request.requestDigest, outcome,
    policyDigest: decision.policyDigest as Digest, activation, inputDigest: decision.inputDigest as Digest, require,
  };
}

export function nearestOf({ nearest }: Decision): { nearest?: Nearest } {
  if (!nearest) return {};
  const { facts, words } = nearest;
  return { nearest: { scopes: [...facts.scopes], environment: facts.environment, ttl: durationText(facts.ttlSeconds), words: words.slice(0, 512) } };
}
