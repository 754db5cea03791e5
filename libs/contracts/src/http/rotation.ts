import { Equals, IsIn, IsOptional } from 'class-validator';
import type { RotationCause } from '../events.js';
import { IsEnvironment, IsName, IsSubject, IsText } from '../fields.js';
import type { CampaignId, RotationId, TokenId } from '../ids.js';
import type { Principal, Straggler } from '../parts.js';

/** Asks for a new secret now. With cause `emergency` the old one dies at once. */
export class RotateToken {
  @IsOptional() @IsIn(['requested', 'emergency']) cause?: 'requested' | 'emergency';
  @IsOptional() @IsText(1000) reason?: string;
}

/** Stops a rotation, whose successor then dies, or forces it, and the old secret dies at once. */
export class SteerRotation {
  @IsText(1000) reason!: string;
}

/** Rotates every token that fits, in slices. At least one of the filters stands, or `everything`. */
export class RotateMany {
  @IsIn(['requested', 'emergency']) cause!: 'requested' | 'emergency';
  @IsText(1000) reason!: string;
  @IsOptional() @IsSubject() owner?: string;
  @IsOptional() @IsName() team?: string;
  @IsOptional() @IsName() resource?: string;
  @IsOptional() @IsEnvironment() environment?: string;
  @IsOptional() @Equals(true) everything?: true;
}

/** How far a mass rotation has come. */
export interface CampaignAnswer {
  campaignId: CampaignId;
  cause: 'requested' | 'emergency';
  reason: string;
  by: Principal;
  startedAt: string;
  /** When every token had been looked at, or somebody stopped it. */
  spreadAt?: string;
  /** Tokens that fitted when it began, as far as was known; those of which an emergency learns late are added, here and in `seen`. */
  total: number;
  /** Of these, and of those that came since, the ones that were looked at so far. */
  seen: number;
  /** Of these, tokens that were rotating already. */
  skipped: number;
  /** Its rotations by state. */
  rotations: Partial<Record<RotationState, number>>;
}

/**
 * Where a rotation stands: `due` until the issuer answers, then its successor is `claimable`, `delivered`, `used`.
 * Ends: `completed`; `lapsed`, where nobody claimed; `stopped`, by a person; `ended`, with the token itself.
 */
export const rotationStates = ['due', 'claimable', 'delivered', 'used', 'completed', 'lapsed', 'stopped', 'ended'] as const;
export type RotationState = (typeof rotationStates)[number];

export interface RotationAnswer {
  rotationId: RotationId;
  tokenId: TokenId;
  state: RotationState;
  cause: RotationCause;
  /** Number of the successor secret, once it exists. */
  generation?: number;
  startedAt: string;
  deadlineAt: string;
  claimBefore: string;
  endedAt?: string;
  /** Who asked for it, and why; absent where the calendar did. */
  by?: Principal;
  reason?: string;
  /** What somebody told it to do since. */
  steered?: { command: 'stop' | 'force'; by: Principal; reason: string };
  /** Whether the old secret is still in use while its end comes near. */
  blocked: boolean;
  /** Who still shows the old secret. */
  stragglers: Straggler[];
}

export interface ForecastBucket {
  from: string;
  /** As planned, and as often as they come again until the token's end, should each new secret be fetched at once. */
  rotations: number;
  expiries: number;
  /** Secrets to be fetched: successors of the rotations due then, and issued tokens whose claim deadline lies there. None of these is sealed. */
  claims: number;
  /** Of the expiries those of tokens that people had to approve: asked for anew, each is a review again. */
  reviews: number;
}

export interface Forecast {
  asOf: string;
  /** `PT1H` or `P1D`. */
  bucket: string;
  /** More is due than was counted: what lies farthest ahead is missing. */
  truncated?: boolean;
  buckets: ForecastBucket[];
}
