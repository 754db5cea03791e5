import {
  ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsOptional,
} from 'class-validator';
import { digestOf } from './canonical.js';
import { IsDuration, IsEnvironment, IsName, IsPart, IsScope, IsSubject, IsText, IsTime, IsTokenId } from './fields.js';
import type { Digest, RequestId, TokenId } from './ids.js';
import { Delivery, type Party, type Principal } from './parts.js';

/** Whom an upstream asks for. A team that is named here must be the one the registry knows. */
export class NamedRequester {
  @IsSubject() id!: string;
  @IsOptional() @IsName() team?: string;
}

/** The body of a request for a token: `data` of a `writ.token.request` event, or of `POST /v1/requests`. */
export class Submission {
  @IsPart(() => NamedRequester) requester!: NamedRequester;
  /** Why the token is needed, in the requester's words: at most 1,000 characters. */
  @IsText(1000) reason!: string;
  @IsName() resource!: string;
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(64) @ArrayUnique() @IsScope({ each: true }) scopes!: string[];
  @IsEnvironment() environment!: string;
  /** How long the token may live from its issue. Exactly one of `ttl` and `expiresAt` stands. */
  @IsOptional() @IsDuration() ttl?: string;
  @IsOptional() @IsTime() expiresAt?: string;
  @IsPart(() => Delivery) delivery!: Delivery;
  /** The token that this one is to replace: an extension or a narrowing. */
  @IsOptional() @IsTokenId() replaces?: TokenId;
}

/** A request as the request service accepted it: everything that an approval binds to. */
export interface AcceptedRequest {
  requestId: RequestId;
  /** The upstream's name, or `http`. */
  source: string;
  submitter: Principal;
  requester: Party;
  /** The only one who may fetch the secret. */
  claimant: Principal;
  reason: string;
  resource: string;
  audience: string;
  scopes: string[];
  environment: string;
  ttl?: string;
  expiresAt?: string;
  delivery: Delivery;
  /** RFC 7638 thumbprint of the registered key that a sealed secret goes to. */
  deliveryKeyThumbprint?: string;
  /** The key itself as a public JWK (RFC 7517): the digest binds it by its thumbprint. */
  deliveryKey?: Record<string, unknown>;
  replaces?: TokenId;
}

/**
 * Names exactly what was asked, by whom and for whom. Approvals, votes and the issuer's check bind to it.
 * The reason is left out: it is personal text that may have to be forgotten, and grants nothing.
 */
export function requestDigest(request: AcceptedRequest): Digest {
  return digestOf({
    requestId: request.requestId,
    source: request.source,
    submitter: { iss: request.submitter.iss, sub: request.submitter.sub },
    requester: { id: request.requester.id, team: request.requester.team },
    claimant: { iss: request.claimant.iss, sub: request.claimant.sub },
    resource: request.resource,
    audience: request.audience,
    scopes: [...request.scopes].sort(),
    environment: request.environment,
    end: request.expiresAt ? { expiresAt: request.expiresAt } : { ttl: request.ttl ?? null },
    delivery: { mode: request.delivery.mode, thumbprint: request.deliveryKeyThumbprint ?? null },
    replaces: request.replaces ?? null,
  });
}
