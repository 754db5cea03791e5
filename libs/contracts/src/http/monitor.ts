import { IsBoolean, IsIn, IsOptional } from 'class-validator';
import type { MisuseAction, ResponseRule } from '../misuse.js';
import { IsText, IsTokenId } from '../fields.js';
import type { AlertId, Digest, TokenId } from '../ids.js';
import type { Principal } from '../parts.js';

/** Bodies and answers of the monitor's routes. */

/** "It was us": why an alert is no misuse. Retrains the token's baseline. Resuming a suspended token at the issuer says the same of what it was stopped for. */
export class DismissAlert {
  @IsText(1000) reason!: string;
}

export const alertStates = ['open', 'dismissed', 'closed'] as const;
export type AlertState = (typeof alertStates)[number];

export interface AlertStop {
  stoppedAt: string;
  refusedAt: string;
  /** From what the alert is about (the first report of a leak, the use that was judged) to the last verifier's refusal. */
  afterMs: number;
  acknowledged: number;
  fenced: number;
}

export interface AlertView {
  alertId: AlertId;
  tokenId: TokenId;
  /** Absent until the token's issue was heard. */
  owner?: { id: string; team: string };
  detector: string;
  action: MisuseAction;
  explanation: string;
  observedAt: string;
  /** The stop that followed without a person: when it was decided, when the last verifier refused, and how each came to. */
  stop?: AlertStop;
  /** Why the stop that was asked for did not come, and the token lives: `owner-breaker`, `fleet-breaker` or `never-used`. */
  blocked?: { code: string; at: string };
  state: AlertState;
  closedAt?: string;
  closedBy?: Principal;
  reason?: string;
}

export interface AlertDetails extends AlertView {
  /** What the verdict rests on, and its digest as the audit log has it. */
  evidence: object;
  evidenceDigest: Digest;
}

export const usageSpans = ['minute', 'hour', 'day'] as const;
export type UsageSpan = (typeof usageSpans)[number];

export interface UsageBucket {
  at: string;
  calls: number;
  /** Calls by verify code. */
  codes: Record<string, number>;
}

/** Where from, by what or with which scope a token was used; `lastAt` is right within an hour. */
export interface UsageSource {
  value: string;
  firstAt: string;
  lastAt: string;
}

export interface UsageView {
  tokenId: TokenId;
  lastUsedAt?: string;
  span: UsageSpan;
  buckets: UsageBucket[];
  networks: UsageSource[];
  agents: UsageSource[];
  gateways: UsageSource[];
  scopes: {
    granted: string[];
    used: UsageSource[];
    unused: string[];
    /** Such as "uses 3 of 11 scopes". */
    words: string;
  };
  /** The smaller token that would do, as `narrowing.proposed` says it; absent where nothing is known to be spare. */
  narrowing?: { keep: string[]; drop: string[] };
}

/** How a token is used, in a list of many. */
export interface UsageSummary {
  tokenId: TokenId;
  lastUsedAt?: string;
  granted: number;
  used: number;
  unused: string[];
  /** Such as "uses 3 of 11 scopes". */
  words: string;
}

/** One item of the answer to a leak report, as GitHub's partner programme reads it. */
export interface LeakLabel {
  /** Base64 of the SHA-256 of what was reported. */
  token_hash: string;
  token_type: string;
  label: 'true_positive' | 'false_positive';
}

/** How a part of the platform was last heard of. */
export interface WatchView {
  subject: string;
  at: string;
  count: number;
  /** Nothing was heard for longer than it stays silent. */
  silent: boolean;
  facts: Record<string, unknown>;
}

/** `POST /v1/honeytokens`: marks a token as bait, or with `remove` takes the mark away. */
export class MarkHoneytoken {
  @IsTokenId() tokenId!: TokenId;
  @IsOptional() @IsBoolean() remove?: boolean;
}

export const detectorLimits = ['off', 'note', 'notify', 'suspend', 'revoke'] as const;
export type DetectorLimit = (typeof detectorLimits)[number];

/** `POST /v1/detectors/{detector}`: how far it may go from now on; `revoke` is as far as the policy set lets it. */
export class LimitDetector {
  @IsIn(detectorLimits) most!: DetectorLimit;
  @IsText(1000) reason!: string;
}

export interface DetectorView {
  detector: string;
  /** The kill switch. */
  most: DetectorLimit;
  /** What it may do where no rule of the policy set applies. */
  otherwise: MisuseAction;
  /** Rules of the active policy set that can hold it back further or let it go further; the strictest that applies holds. */
  rules: ResponseRule[];
  reason?: string;
  setBy?: Principal;
  setAt?: string;
}
