import { ArrayMaxSize, ArrayUnique, IsArray, IsIn, IsInt, IsObject, IsOptional, Max, Min, ValidateBy } from 'class-validator';
import { IsPart, IsRequestId, IsText } from '../fields.js';
import type { Digest, RequestId } from '../ids.js';
import { Narrowing, type DeliveryMode, type Grant, type Nearest, type Party, type Principal, type Quorum, type RuleRef } from '../parts.js';

/** Bodies and answers of the policy service. */

const maxFiles = 256;

/** Every file of a policy set by its path: `catalog.yaml`, `cases.yaml`, `*.cedar`. What is in them is judged later. */
export class PolicySetBody {
  @IsObject()
  @ValidateBy({
    name: 'isFiles',
    validator: {
      validate: (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value)
        && Object.keys(value).length <= maxFiles && Object.values(value).every((text) => typeof text === 'string'),
      defaultMessage: () => `$property is not a record of at most ${maxFiles} texts by their path`,
    },
  })
  files!: Record<string, string>;
}

/** How far back a simulation looks. */
export class SimulationBody {
  @IsOptional() @IsInt() @Min(1) @Max(3_650) days?: number;
}

export const voteKinds = ['approve', 'deny'] as const;
export class VoteBody {
  @IsIn(voteKinds) vote!: (typeof voteKinds)[number];
  /** Why, for the requester and the record: 1 to 1,000 characters. */
  @IsText(1000) reason!: string;
  /** Fewer scopes, an earlier end; never more than was asked for. */
  @IsOptional() @IsPart(() => Narrowing) narrow?: Narrowing;
  /** Requests that are shown as alike: each gets the same vote, signed for itself, or none does. */
  @IsOptional() @IsArray() @ArrayMaxSize(50) @ArrayUnique() @IsRequestId({ each: true }) also?: RequestId[];
}

export class RefusalBody {
  @IsText(1000) reason!: string;
}

/** One finding in a policy set. `line` and `column` count from 1, in characters of the user's own file. */
export interface PolicyProblem {
  file: string;
  line: number;
  column: number;
  code: string;
  message: string;
  severity: 'error' | 'warning';
}

export interface PolicyCheck {
  valid: boolean;
  /** Empty where the files have no canonical form. */
  digest: string;
  problems: PolicyProblem[];
  /** The set's golden cases. */
  cases: { name: string; passed: boolean; differences: string[] }[];
  /** What was proven, over which requests; absent when the set does not load. */
  analysis?: {
    statement: string;
    exhaustive: boolean;
    points: number;
    assertions: { name: string; holds: boolean; counterExample?: unknown }[];
  };
  /** Compared with the active set: whether anything is let through that is not today. */
  loosening?: Loosened;
}

export interface Loosened {
  loosened: boolean;
  /** In words, with an example. */
  statement: string;
  example?: unknown;
}

export interface PolicySetAnswer {
  digest: Digest;
  createdBy: Principal;
  createdAt: string;
  active: boolean;
  /** Only where one set is asked for. */
  files?: Record<string, string>;
}

/** The active-set pointer, as signed. */
export interface ActivePolicySet {
  digest: Digest;
  activation: number;
  previousDigest: Digest | null;
  loosened: boolean;
  proposedBy: Principal | null;
  activatedBy: Principal;
  activatedAt: string;
  statement: string;
}

export interface ActivationAnswer {
  state: 'active' | 'needs-second-person';
  digest: Digest;
  /** The number of the activation that holds now. */
  activation: number;
  loosening?: Loosened;
  /** Who asked first; somebody else must repeat it. */
  proposedBy?: Principal;
}

export const reviewStates = ['open', 'approved', 'denied', 'cancelled', 'lapsed'] as const;
export type ReviewState = (typeof reviewStates)[number];

/** A request that people decide: what is asked, why policy holds it, who can agree, who did. */
export interface ReviewAnswer {
  requestId: RequestId;
  requestDigest: Digest;
  status: ReviewState;
  requester: Party;
  /** What the monitor says of the requester by now: alerts that nobody answered, which `GET {MONITOR}/v1/alerts` lists to reviewers. */
  openIncidents: number;
  trust: 'normal' | 'watched' | 'distrusted';
  submitter: Principal;
  claimant: Principal;
  source: string;
  reason: string;
  resource: string;
  scopes: string[];
  environment: string;
  ttl?: string;
  expiresAt?: string;
  delivery: DeliveryMode;
  replaces?: string;
  code: string;
  /** Why policy does not decide by itself, in one sentence. */
  message: string;
  because: RuleRef[];
  nearest?: Nearest;
  /** What would be granted if the quorum were full now. */
  grant?: Grant;
  /** Any so many distinct people of each group, by the id the identity provider uses. */
  require: (Quorum & { remaining: number })[];
  votes: { reviewer: Principal; groups: string[]; vote: 'approve' | 'deny'; reason: string; narrow?: Narrowing; castAt: string }[];
  openedAt: string;
  lapsesAt: string;
  closedAt?: string;
  /** For whoever asks: may they vote, and if not, the code of why. */
  mayVote: boolean;
  whyNot?: string;
  /** In a collapsed list: open requests of the same requester that differ only so, oldest first. */
  alike?: AlikeReview[];
}

export interface AlikeReview {
  requestId: RequestId;
  openedAt: string;
  differences: { field: string; here: string; there: string }[];
}

export const simulationStates = ['running', 'done', 'failed'] as const;
export interface SimulationAnswer {
  simulationId: string;
  state: (typeof simulationStates)[number];
  draftDigest: Digest;
  /** The set that was active when it was asked for. */
  activeDigest: Digest;
  days: number;
  /** Past requests decided under both sets so far, and how many there are. */
  done: number;
  total: number;
  startedAt: string;
  /** Once done: what flips, what sensitive would newly be automatic, votes and hours saved, approvals that would not stand. */
  report?: Record<string, unknown>;
  error?: string;
}

/** A decision as it was made, with everything needed to make it again. */
export interface StoredDecision {
  requestId: RequestId;
  requestDigest: Digest;
  decidedAt: string;
  activation: number;
  statement: string;
  /** The decision record: outcome, code, because, obligations, policy digest, engine version, input and its digest. */
  record: Record<string, unknown>;
}

export interface ReplayAnswer {
  same: boolean;
  differences: string[];
}
