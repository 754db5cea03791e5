import { factCodes } from './facts.js';
import type { CanonicalFacts } from './facts.js';
import type { Obligations, RuleRef } from './rule.js';

export const outcomes = ['approve', 'hold', 'deny'] as const;
/** Yes, a human must look, or no. */
export type Outcome = (typeof outcomes)[number];

/** Why: one code per way to an outcome. */
export const decisionCodes = [
  'auto-approved',
  'review-required', 'no-auto-rule', 'evaluation-error',
  'forbidden', ...factCodes,
] as const;
export type DecisionCode = (typeof decisionCodes)[number];

/** What to ask instead: a request that this set approves by itself, and what had to give. */
export interface Nearest {
  readonly facts: CanonicalFacts;
  readonly changes: readonly Change[];
  /** The changes in one sentence. */
  readonly words: string;
}

export type Change =
  | { readonly kind: 'shorter-end'; readonly ttlSeconds: number }
  | { readonly kind: 'fewer-scopes'; readonly without: readonly string[] }
  | { readonly kind: 'another-environment'; readonly environment: string };

/**
 * The answer to one request, with everything needed to give it again: the same set and engine make the same bytes of
 * the same input.
 */
export interface Decision {
  readonly outcome: Outcome;
  readonly code: DecisionCode;
  /** One sentence in plain words. */
  readonly message: string;
  /** The rules that decided, most specific first; empty when no rule said yes. */
  readonly because: readonly RuleRef[];
  /** Of a hold: how many distinct people of each group must agree. Never empty, never zero. */
  readonly require?: Readonly<Record<string, number>>;
  /** Of a hold: how long it may wait; the shortest of the rules that say so. */
  readonly slaSeconds?: number;
  /** What the token must obey, whoever approves; empty on a denial. */
  readonly obligations: Obligations;
  /** The rules that oblige, most specific first. */
  readonly obligedBy: readonly RuleRef[];
  /** Of a hold or denial, when it was looked for and found. */
  readonly nearest?: Nearest;
  readonly policyDigest: string;
  readonly engineVersion: string;
  readonly input: CanonicalFacts | null;
  /** Digest of the canonical form of `input`. */
  readonly inputDigest: string;
  /** What went wrong while evaluating; not empty means that no automatic yes was possible. */
  readonly errors: readonly { readonly rule?: string; readonly message: string }[];
}
