import 'reflect-metadata';
import {
  ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min,
} from 'class-validator';
import { IsDigest, IsDuration, IsEnvironment, IsName, IsPart, IsScope, IsSubject, IsText, IsTime } from './fields.js';
import type { Digest } from './ids.js';

/** The parts that several events and bodies are built of. */

/** Who acted, as the provider that vouches for them names them. Two people are the same only if both fields are. */
export class Principal {
  /** The identity provider's issuer URL, or `urn:writ:upstream`, `urn:writ:gateway`, `urn:writ:service` for machines. */
  @IsString() @MaxLength(512) iss!: string;
  @IsSubject() sub!: string;
}

/** Whom a token is for, and the team that answers for it. The team never comes from a request's body. */
export class Party {
  @IsSubject() id!: string;
  @IsName() team!: string;
}

export const deliveryModes = ['claim', 'sealed'] as const;
export type DeliveryMode = (typeof deliveryModes)[number];

/** How the secret reaches its owner. */
export class Delivery {
  @IsIn(deliveryModes) mode!: DeliveryMode;
  /** The registered key to seal to; only with mode `sealed`. */
  @IsOptional() @IsName() keyId?: string;
}

/** A rule that took part in a decision; where none was its reason, the decision's code and words. */
export class RuleRef {
  @IsString() @MaxLength(128) id!: string;
  /** The rule's own words. */
  @IsString() @MaxLength(512) reason!: string;
  @IsOptional() @IsString() @MaxLength(128) ref?: string;
}

/** So many distinct people of one group. */
export class Quorum {
  @IsName() group!: string;
  @IsInt() @Min(1) @Max(5) approvers!: number;
}

/** The nearest request that policy would have approved by itself, proven by deciding it. */
export class Nearest {
  @IsArray() @IsScope({ each: true }) scopes!: string[];
  @IsEnvironment() environment!: string;
  @IsDuration() ttl!: string;
  /** The difference in plain words. */
  @IsString() @MaxLength(512) words!: string;
}

/** A block of IPv4 or IPv6 addresses; what the numbers mean is checked where it is used, and what means nothing admits nobody. */
const cidr = /^[0-9a-fA-F.:]{2,45}\/\d{1,3}$/;

/** What may be issued: never more than was requested. */
export class Grant {
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @ArrayUnique() @IsScope({ each: true }) scopes!: string[];
  /** Lifetime from issue, in seconds; the earliest of the request, the obligations and every vote. */
  @IsOptional() @IsInt() @Min(1) ttlSeconds?: number;
  /** The absolute end, where the request or a vote named one. */
  @IsOptional() @IsTime() expiresAt?: string;
  /** The secret is replaced this often, in seconds. */
  @IsOptional() @IsInt() @Min(1) rotateSeconds?: number;
  /** The longest time that an old secret lives on beside its successor, in seconds. */
  @IsOptional() @IsInt() @Min(0) graceSeconds?: number;
  /** CIDR blocks that the token's user must call from; absent = anywhere. */
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @Matches(cidr, { each: true }) networks?: string[];
  /** Verifications of the token in a minute, at the most. */
  @IsOptional() @IsInt() @Min(1) ratePerMinute?: number;
}

/** A vote's narrowing: fewer scopes, an earlier end, never more. */
export class Narrowing {
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @ArrayUnique() @IsScope({ each: true }) scopes?: string[];
  @IsOptional() @IsTime() expiresAt?: string;
}

/** Who stopped or resumed a token. */
export const actorKinds = ['person', 'gateway', 'monitor', 'burn', 'leak', 'owner-deactivated', 'issuer'] as const;
export type ActorKind = (typeof actorKinds)[number];
export class Actor {
  @IsIn(actorKinds) kind!: ActorKind;
  @IsOptional() @IsPart(() => Principal) principal?: Principal;
}

/** One field of a body that broke a rule. */
export class FieldProblem {
  /** RFC 6901 pointer into the body. */
  @IsString() @MaxLength(512) pointer!: string;
  @IsString() @MaxLength(512) message!: string;
}

/** Uses of one token through one verifier, from one place, with one result, since the record before. */
export class UsageRecord {
  /** Absent where the secret was unknown. */
  @IsOptional() @IsString() @MaxLength(64) tokenId?: string;
  /** Which of the token's secrets was shown. */
  @IsOptional() @IsInt() generation?: number;
  /** The verify code, VALID and so on. */
  @IsString() @MaxLength(32) code!: string;
  /** The authenticated gateway's client id. */
  @IsString() @MaxLength(128) gateway!: string;
  /** Network the end client came from: a /24 or /48 prefix. */
  @IsOptional() @IsString() @MaxLength(64) network?: string;
  /** Family of the end client's user agent. */
  @IsOptional() @IsString() @MaxLength(64) agent?: string;
  @IsOptional() @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) scopes?: string[];
  @IsOptional() @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) denied?: string[];
  @IsInt() @Min(1) count!: number;
  @IsTime() firstAt!: string;
  @IsTime() lastAt!: string;
}

/** Someone who still shows a secret that is being replaced. */
export class Straggler {
  @IsString() @MaxLength(128) gateway!: string;
  @IsOptional() @IsString() @MaxLength(64) network?: string;
  @IsOptional() @IsString() @MaxLength(64) agent?: string;
  @IsTime() lastSeenAt!: string;
  @IsInt() @Min(1) count!: number;
}

/** A decision's fingerprint: the same policy and input always decide the same. */
export class DecisionRef {
  @IsDigest() policyDigest!: Digest;
  @IsText(64) engineVersion!: string;
  @IsDigest() inputDigest!: Digest;
}
