import {
  ArrayMaxSize, ArrayMinSize, ArrayUnique, Equals, IsArray, IsInt, IsOptional, IsString, Max, MaxLength, Min,
} from 'class-validator';
import { IsDuration, IsName, IsParts, IsRequestId, IsRotationId, IsSubject, IsText, IsTime, IsTokenId, IsVerifierId } from '../fields.js';
import type { RequestId, RotationId, TokenId } from '../ids.js';
import type { Actor, Delivery, Party, Principal } from '../parts.js';

/** Bodies and answers of the issuer's routes. */

/** `POST /v1/tokens/{tokenId}/claim`: without a rotation, the token's first secret. */
export class ClaimBody {
  @IsOptional() @IsRotationId() rotationId?: RotationId;
}

/** Shown once. */
export interface ClaimedSecret {
  tokenId: TokenId;
  secret: string;
  expiresAt: string;
  /** Which of the token's secrets this is. */
  generation: number;
}

/** The most tokens that one batch may hold. */
export const maxVerifyBatch = 1_000;

export const verificationCodes = [
  'VALID', 'NOT_FOUND', 'MALFORMED', 'EXPIRED', 'SUSPENDED', 'REVOKED', 'INSUFFICIENT_SCOPE', 'WRONG_AUDIENCE',
  'WRONG_NETWORK', 'RATE_LIMITED', 'STALE',
] as const;
export type VerificationCode = (typeof verificationCodes)[number];

/** Answer to one verification. Facts come with every code that concerns a known token of the caller's audiences. */
export interface Verification {
  valid: boolean;
  /** Callers tolerate codes they do not know: everything but VALID is no. */
  code: VerificationCode;
  /** Database time that the answer is of. */
  asOf: string;
  /** Place in the issuer's state log that the answer is of. */
  seq: number;
  /** The answer reflects every change that was committed longer ago than this. */
  maxStalenessMs: number;
  tokenId?: string;
  owner?: string;
  scopes?: readonly string[];
  audience?: string;
  environment?: string;
  /** When what was shown ends: the token, or sooner its secret, once somebody has the next one. */
  expiresAt?: string;
  networks?: readonly string[];
  /** Which of the token's secrets was shown: during a rotation it has two. */
  generation?: number;
  /** The token may be used so often; absent = without a limit of its own. */
  ratePerMinute?: number;
  /** With RATE_LIMITED: when to ask again. */
  retryAfterMs?: number;
}

/** Why a token is stopped or let go on again. */
export class StopBody {
  @IsText(1000) reason!: string;
}

/** `POST /v1/tokens/{tokenId}/transfer`: to the caller; an administrator may name somebody else of the token's team. */
export class TransferBody {
  @IsOptional() @IsSubject() to?: string;
  @IsText(1000) reason!: string;
}

/** `POST /v1/revocations`: everything of one owner, of one request, or of everybody; exactly one of them. */
export class RevocationBody {
  @IsOptional() @IsSubject() ownerId?: string;
  @IsOptional() @IsRequestId() requestId?: RequestId;
  @IsOptional() @Equals(true) everybody?: true;
  @IsText(1000) reason!: string;
}

export class BurnBody {
  @IsString() @MaxLength(4096) token!: string;
}

export class RegisterGatewayBody {
  @IsName() name!: string;
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @ArrayUnique() @IsName({ each: true }) audiences!: string[];
  /** The broker's user that this gateway asks over AMQP as. */
  @IsOptional() @IsName() brokerUser?: string;
}

/** A new secret for a gateway; the one it has works on for so long, at most a week. Without an overlap it ends at once. */
export class RenewGatewaySecretBody {
  @IsOptional() @IsDuration() overlap?: string;
}

export interface Gateway {
  clientId: string;
  name: string;
  audiences: string[];
  brokerUser?: string;
  createdAt: string;
}

/** The secret is shown once. */
export interface GatewayCredentials {
  clientId: string;
  clientSecret: string;
}

export interface RenewedGatewayCredentials extends GatewayCredentials {
  /** Until then the secret before this one works too. */
  previousEndsAt: string;
}

export const tokenStates = ['issued', 'active', 'suspended', 'revoked', 'expired'] as const;
export type TokenState = (typeof tokenStates)[number];

/** A token as its owner, an administrator or an auditor sees it. */
export interface TokenView {
  tokenId: TokenId;
  requestId: RequestId;
  /** `issued` until its first secret was claimed. */
  state: TokenState;
  owner: Party;
  claimant: Principal;
  resource: string;
  audience: string;
  scopes: string[];
  environment: string;
  delivery: Delivery;
  issuedAt: string;
  expiresAt: string;
  claimBefore?: string;
  lastUsedAt?: string;
  replaces?: TokenId;
  /** Its owner left: whoever takes it over by then keeps it. */
  orphanedUntil?: string;
  /** Living secrets: one, or two during a rotation. */
  generations: GenerationView[];
}

export interface GenerationView {
  generation: number;
  rotationId?: RotationId;
  state: 'claimable' | 'delivered' | 'used' | 'retired';
  claimBefore?: string;
  retiresAt?: string;
}

/** One verifier's part in a fleet-wide stop. */
export interface FleetReceipt {
  verifierId: string;
  name: string;
  /** It said that it applied the change, or its lease had run out without it. */
  outcome: 'acknowledged' | 'fenced';
  seq: number;
  /** From commit. */
  latencyMs: number;
}

export interface StopAnswer {
  tokenId: TokenId;
  state: TokenState;
  /** Place of the change in the state log. */
  seq: number;
  /** With `wait=fleet`. */
  receipts?: FleetReceipt[];
}

/** `epoch` is a revocation of many that ended this one too; the others are what the token's events are named after. */
export const timelineSteps = [
  'issue', 'delivered', 'first-used', 'rotation', 'retire', 'suspend', 'resume', 'orphaned', 'transfer', 'epoch', 'revoke', 'expire',
] as const;

/** One step in a token's life. What people wrote about it is in the audit log, which can forget it. */
export interface TimelineEntry {
  at: string;
  what: (typeof timelineSteps)[number];
  /** Why. */
  code?: string;
  /** Place in the issuer's state log. */
  seq?: number;
  /** Which of its secrets, where it is about one. */
  generation?: number;
  rotationId?: RotationId;
  /** Who acted; absent where nobody did but a date or a rule, or nobody kept it. */
  by?: Actor;
  /** Of a transfer: the owners before and after it; of an orphaned one: who left, and by when somebody has to take it over. */
  from?: string;
  to?: string;
  endsAt?: string;
}

/** `POST /v1/fleet/verifiers`: one process that answers from a memory of its own. */
export class RegisterVerifierBody {
  /** Shown in receipts; not an identity. */
  @IsString() @MaxLength(128) name!: string;
  /** The lease asked for; what is granted is shorter by the clocks' allowances. */
  @IsInt() @Min(350) @Max(60_000) leaseMs!: number;
}

/** `POST /v1/fleet/lease`: asks for a lease, and acknowledges every entry up to `appliedSeq`. */
export class LeaseAskBody {
  @IsVerifierId() verifierId!: string;
  @IsString() @MaxLength(64) incarnation!: string;
  @IsString() @MaxLength(64) nonce!: string;
  @IsInt() @Min(0) appliedSeq!: number;
  /** How long the issuer may wait for news before it answers. */
  @IsInt() @Min(0) @Max(60_000) holdMs!: number;
}

/** Uses of one token through one verifier that were alike. */
export class UploadedUse {
  @IsTokenId() tokenId!: TokenId;
  @IsOptional() @IsInt() @Min(1) generation?: number;
  @IsString() @MaxLength(32) code!: string;
  @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) scopesUsed!: string[];
  @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) scopesDenied!: string[];
  @IsOptional() @IsString() @MaxLength(64) network?: string;
  @IsOptional() @IsString() @MaxLength(512) agent?: string;
  @IsInt() @Min(1) count!: number;
  /** When the first of them was; a verifier that does not tell is taken to have seen all of them at the last. */
  @IsOptional() @IsTime() firstAt?: string;
  @IsTime() at!: string;
}

/** `POST /v1/usage`. */
export class UsageBatchBody {
  @IsVerifierId() verifierId!: string;
  /** Ascending per verifier; a repeated number is the same batch sent again. */
  @IsInt() @Min(1) batch!: number;
  @ArrayMaxSize(4_096) @IsParts(() => UploadedUse) records!: UploadedUse[];
  /** Every use answered up to this database time has been uploaded; absent = more follows. */
  @IsOptional() @IsTime() watermark?: string;
  /** Uses that could not be kept. */
  @IsInt() @Min(0) lost!: number;
}
