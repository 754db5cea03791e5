import {
  ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsBoolean, IsObject, IsOptional, IsString, Matches, MaxLength,
} from 'class-validator';
import { IsEnvironment, IsName, IsParts, IsSubject } from '../fields.js';
import type { RequestId, TokenId } from '../ids.js';
import type { Nearest, Party, Principal, Quorum, RuleRef } from '../parts.js';

/** A requester's id, or a beginning of one and `*`. */
const IsRequesterPattern = () => Matches(/^[\x21-\x29\x2b-\x7e]{0,255}(\*|[\x21-\x29\x2b-\x7e])$/, {
  each: true, message: '$property are requester ids; one may end with *',
});

/** For whom a registered upstream or caller may ask, and which team answers for them. */
export class SpeaksFor {
  @IsName() team!: string;
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @ArrayUnique() @IsEnvironment({ each: true }) environments!: string[];
  /** Narrower than the registration's own patterns; all of them by default. */
  @IsOptional() @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @IsRequesterPattern() requesters?: string[];
  /** Who fetches the secrets of requesters that cannot sign in themselves; by default each requester does. */
  @IsOptional() @IsSubject() claimant?: string;
}

/** Registers an upstream system, or changes what it may do: its name is its broker user. */
export class UpstreamRegistration {
  @IsName() name!: string;
  /** Ids of requesters, such as `svc:billing-nightly`, or patterns that end with `*`, such as `svc:*`. */
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(256) @IsRequesterPattern() requesters!: string[];
  @ArrayMinSize(1) @ArrayMaxSize(64) @IsParts(() => SpeaksFor) teams!: SpeaksFor[];
  /** Whether the upstream itself, as a machine of its own name, fetches the secrets instead of the requesters. */
  @IsOptional() @IsBoolean() mayClaim?: boolean;
  /** The identity provider that vouches for those who fetch secrets; the platform's own by default. */
  @IsOptional() @IsString() @MaxLength(512) claimantIssuer?: string;
  /** The subject of the bearer token that speaks for the same requesters over HTTP. */
  @IsOptional() @IsSubject() subject?: string;
}

/** Registers the public key that secrets for one requester are sealed to (RFC 7517; EC P-256 or OKP X25519). */
export class SealingKeyRegistration {
  /** The requester's id; nobody else's secrets are sealed to this key. */
  @IsSubject() owner!: string;
  @IsName() keyId!: string;
  @IsObject() jwk!: Record<string, unknown>;
}

export interface SealingKeyAnswer {
  owner: string;
  keyId: string;
  /** RFC 7638, SHA-256, base64url: what a request's digest binds its key by. */
  thumbprint: string;
}

export const requestStatuses = ['submitted', 'held', 'approved', 'denied', 'cancelled', 'lapsed', 'issued', 'delivered'] as const;
export type RequestStatus = (typeof requestStatuses)[number];

export interface DecisionAnswer {
  outcome: 'approve' | 'hold' | 'deny';
  code: string;
  because: RuleRef[];
  /** With outcome `approve`: what the token gets. */
  obligations?: { scopes: string[]; ttl?: string; expiresAt?: string; rotate?: string; grace?: string };
  /** With outcome `hold`: who must look, and until when. */
  require?: Quorum[];
  lapsesAt?: string;
  nearest?: Nearest;
}

export interface RequestAnswer {
  requestId: RequestId;
  status: RequestStatus;
  decision?: DecisionAnswer;
  tokenId?: TokenId;
}

/** A request as those see it who may. */
export interface RequestDetails extends RequestAnswer {
  source: string;
  submissionId: string;
  requester: Party;
  claimant: Principal;
  reason: string;
  resource: string;
  scopes: string[];
  environment: string;
  ttl?: string;
  expiresAt?: string;
  submittedAt: string;
}
