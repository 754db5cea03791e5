import {
  ArrayMaxSize, IsArray, IsBoolean, IsIn, IsInt, IsObject, IsOptional, IsString, MaxLength, Min,
} from 'class-validator';
import {
  IsAlertId, IsCode, IsDigest, IsDuration, IsEnvironment, IsName, IsPart, IsParts, IsReportId, IsRequestId, IsRotationId, IsScope, IsStatement, IsSubject, IsText, IsTime, IsTokenId,
} from './fields.js';
import type { AlertId, Digest, ReportId, RequestId, RotationId, TokenId } from './ids.js';
import { misuseActions, ResponseRule, type MisuseAction } from './misuse.js';
import {
  Actor, Delivery, FieldProblem, Grant, Narrowing, Nearest, Party, Principal, Quorum, RuleRef, Straggler, UsageRecord,
} from './parts.js';
import type { AcceptedRequest } from './request.js';

/**
 * The system on one page: everything that is said on the bus. Past tense, every fact a listener needs, never a secret.
 * Contracts only grow: a field may be added as optional, none may change or go.
 */

// ── request ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** A well-formed wish was accepted. Immutable: whoever wants something else asks again. */
export class RequestSubmitted implements AcceptedRequest {
  @IsRequestId() requestId!: RequestId;
  @IsName() source!: string;
  /** The submission's own id; with `source` it makes a repeated submission recognisable. */
  @IsString() @MaxLength(256) submissionId!: string;
  @IsPart(() => Principal) submitter!: Principal;
  @IsPart(() => Party) requester!: Party;
  @IsPart(() => Principal) claimant!: Principal;
  @IsText(1000) reason!: string;
  @IsName() resource!: string;
  @IsName() audience!: string;
  @IsArray() @ArrayMaxSize(64) @IsScope({ each: true }) scopes!: string[];
  @IsEnvironment() environment!: string;
  @IsOptional() @IsDuration() ttl?: string;
  @IsOptional() @IsTime() expiresAt?: string;
  @IsPart(() => Delivery) delivery!: Delivery;
  @IsOptional() @IsString() @MaxLength(64) deliveryKeyThumbprint?: string;
  @IsOptional() @IsObject() deliveryKey?: Record<string, unknown>;
  @IsOptional() @IsTokenId() replaces?: TokenId;
  @IsDigest() requestDigest!: Digest;
  /** The request service's signature over the digest, purpose `request`. */
  @IsStatement() statement!: string;
}

/** A submission could not be accepted: malformed, not allowed for its sender, or the same id with another body. */
export class RequestRefused {
  @IsName() source!: string;
  @IsOptional() @IsString() @MaxLength(256) submissionId?: string;
  /** Who sent it, as the door that it came through knows them. */
  @IsOptional() @IsPart(() => Principal) submitter?: Principal;
  @IsCode() code!: string;
  @IsString() @MaxLength(1024) detail!: string;
  @ArrayMaxSize(64) @IsParts(() => FieldProblem) problems!: FieldProblem[];
  /** Of the refused bytes, so that the sender can find them again. */
  @IsDigest() bodyDigest!: Digest;
}

/** The requester withdrew a request that was not yet issued. */
export class RequestCancelled {
  @IsRequestId() requestId!: RequestId;
  @IsDigest() requestDigest!: Digest;
  @IsPart(() => Principal) by!: Principal;
}

// ── policy ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** Policy, or policy and people together, said yes. Final. */
export class RequestApproved {
  @IsRequestId() requestId!: RequestId;
  @IsDigest() requestDigest!: Digest;
  @IsDigest() policyDigest!: Digest;
  @IsCode() code!: string;
  @IsParts(() => RuleRef) because!: RuleRef[];
  @IsPart(() => Grant) grant!: Grant;
  /** What the votes below must fulfil; empty where policy alone decided. */
  @IsParts(() => Quorum) require!: Quorum[];
  /** The policy service's signature over decision and grant, purpose `decision`. */
  @IsStatement() statement!: string;
  /** The signed votes, purpose `vote`; the issuer counts them itself. */
  @IsArray() @ArrayMaxSize(32) @IsStatement({ each: true }) votes!: string[];
}

/** A human must look. */
export class RequestHeld {
  @IsRequestId() requestId!: RequestId;
  @IsDigest() requestDigest!: Digest;
  @IsDigest() policyDigest!: Digest;
  @IsCode() code!: string;
  @IsParts(() => RuleRef) because!: RuleRef[];
  @IsParts(() => Quorum) require!: Quorum[];
  /** Without the votes by then the request lapses. */
  @IsTime() lapsesAt!: string;
  @IsOptional() @IsPart(() => Nearest) nearest?: Nearest;
  @IsStatement() statement!: string;
}

/** Policy or a reviewer refused. Final: asking again needs a new request. */
export class RequestDenied {
  @IsRequestId() requestId!: RequestId;
  @IsDigest() requestDigest!: Digest;
  @IsDigest() policyDigest!: Digest;
  @IsCode() code!: string;
  @IsParts(() => RuleRef) because!: RuleRef[];
  @IsOptional() @IsPart(() => Nearest) nearest?: Nearest;
  @IsStatement() statement!: string;
}

/** Nobody decided a held request in time. Final. */
export class RequestLapsed {
  @IsRequestId() requestId!: RequestId;
  @IsDigest() requestDigest!: Digest;
  @IsTime() lapsedAt!: string;
}

/** A person voted on a held request. */
export class ReviewRecorded {
  @IsRequestId() requestId!: RequestId;
  @IsDigest() requestDigest!: Digest;
  @IsPart(() => Principal) reviewer!: Principal;
  @IsIn(['approve', 'deny']) vote!: 'approve' | 'deny';
  @IsText(1000) reason!: string;
  @IsOptional() @IsPart(() => Narrowing) narrow?: Narrowing;
  /** Signed in memory at the authenticated act, purpose `vote`. */
  @IsStatement() statement!: string;
}

/** A policy set decides from now on. */
export class PolicyActivated {
  @IsDigest() policyDigest!: Digest;
  @IsOptional() @IsDigest() previousDigest?: Digest;
  /** Counts activations; a lower one than known is an old message. */
  @IsInt() @Min(1) activation!: number;
  @IsPart(() => Principal) by!: Principal;
  @IsBoolean() loosened!: boolean;
  /** How far the monitor may go by itself; absent where the set does not say. The statement holds its digest. */
  @IsOptional() @ArrayMaxSize(64) @IsParts(() => ResponseRule) response?: ResponseRule[];
  /** Purpose `policy-set`: the active-set pointer. */
  @IsStatement() statement!: string;
}

// ── issuer ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A token exists. Its secret is made when it is claimed, or lies sealed to its owner here. */
export class TokenIssued {
  @IsTokenId() tokenId!: TokenId;
  @IsRequestId() requestId!: RequestId;
  @IsPart(() => Party) owner!: Party;
  @IsPart(() => Principal) claimant!: Principal;
  @IsName() resource!: string;
  @IsName() audience!: string;
  @IsArray() @IsScope({ each: true }) scopes!: string[];
  @IsEnvironment() environment!: string;
  @IsTime() issuedAt!: string;
  @IsTime() expiresAt!: string;
  @IsOptional() @IsInt() @Min(1) rotateSeconds?: number;
  @IsOptional() @IsInt() @Min(0) graceSeconds?: number;
  @IsPart(() => Delivery) delivery!: Delivery;
  /** An unclaimed token lapses then. */
  @IsOptional() @IsTime() claimBefore?: string;
  /** Compact JWE for the owner's registered key, with delivery `sealed`. */
  @IsOptional() @IsString() @MaxLength(4096) sealed?: string;
  @IsOptional() @IsTokenId() replaces?: TokenId;
  @IsOptional() @IsArray() @ArrayMaxSize(64) @IsString({ each: true }) networks?: string[];
  @IsOptional() @IsInt() @Min(1) ratePerMinute?: number;
  /** How many people's approvals policy demanded; absent = nobody's. */
  @IsOptional() @IsInt() @Min(1) approvers?: number;
}

/** An approval was not for what was asked: forged, replayed or edited on its way. Nothing was issued. */
export class IssueRefused {
  @IsRequestId() requestId!: RequestId;
  @IsCode() code!: string;
  @IsString() @MaxLength(1024) detail!: string;
}

/** The owner fetched the secret; once, or again within the minute that a lost answer is forgiven. */
export class TokenDelivered {
  @IsTokenId() tokenId!: TokenId;
  @IsRequestId() requestId!: RequestId;
  @IsInt() @Min(1) generation!: number;
  @IsPart(() => Principal) claimant!: Principal;
  @IsInt() @Min(1) claims!: number;
}

export const rotationStages = ['claimable', 'delivered', 'used'] as const;
/**
 * A successor secret moved on: it can be claimed, was delivered, was used for the first time. One that is sealed to its
 * owner's key is delivered from the start, and nothing says that it could be claimed.
 */
export class TokenRotated {
  @IsTokenId() tokenId!: TokenId;
  @IsRotationId() rotationId!: RotationId;
  @IsIn(rotationStages) stage!: (typeof rotationStages)[number];
  /** Number of the successor secret. */
  @IsInt() @Min(2) generation!: number;
  /** The old secret does not live longer than this. */
  @IsTime() deadlineAt!: string;
  /** Nobody has another living secret of the token, as after an emergency: there is no old one whose end is to come. */
  @IsOptional() @IsBoolean() alone?: boolean;
  @IsOptional() @IsString() @MaxLength(4096) sealed?: string;
}

/** A secret ended while its token lives on (or its successor lapsed unclaimed). */
export class TokenRetired {
  @IsTokenId() tokenId!: TokenId;
  @IsOptional() @IsRotationId() rotationId?: RotationId;
  @IsInt() @Min(1) generation!: number;
  @IsCode() code!: string;
  @IsInt() seq!: number;
  /** Of a successor that nobody claimed, where that does not save the secret before it: when that one ends. */
  @IsOptional() @IsTime() oldEndsAt?: string;
}

class TokenStateChange {
  @IsTokenId() tokenId!: TokenId;
  @IsOptional() @IsRequestId() requestId?: RequestId;
  /** Place in the issuer's state log. */
  @IsInt() seq!: number;
  @IsPart(() => Actor) by!: Actor;
  @IsCode() code!: string;
  @IsOptional() @IsText(1000) reason?: string;
}
/** A reversible stop. */
export class TokenSuspended extends TokenStateChange {}
/** The stop was lifted. */
export class TokenResumed extends TokenStateChange {}
/** A final stop. */
export class TokenRevoked extends TokenStateChange {}
/** The end came, or the claim deadline passed without a claim. */
export class TokenExpired extends TokenStateChange {}

/** Its owner left. Whoever takes it over by then keeps it; else it ends then, however long it was granted for. */
export class TokenOrphaned {
  @IsTokenId() tokenId!: TokenId;
  @IsRequestId() requestId!: RequestId;
  /** Who left. */
  @IsPart(() => Party) owner!: Party;
  @IsTime() endsAt!: string;
}

/**
 * A consumer that the token knows shows a secret that has a successor: it has not changed over, and is refused. Said at
 * most once a day of one network and secret.
 */
export class TokenStraggling {
  @IsTokenId() tokenId!: TokenId;
  @IsRequestId() requestId!: RequestId;
  @IsPart(() => Party) owner!: Party;
  /** Number of the secret that was shown. */
  @IsInt() @Min(1) generation!: number;
  @IsTime() retiredAt!: string;
  /** Where it was shown, and from which network. */
  @IsName() gateway!: string;
  @IsString() @MaxLength(64) network!: string;
  @IsTime() shownAt!: string;
}

/** It has another owner, and nothing else of what was approved changed. Who left still knows the secret: a rotation follows. */
export class TokenTransferred {
  @IsTokenId() tokenId!: TokenId;
  @IsRequestId() requestId!: RequestId;
  @IsPart(() => Party) from!: Party;
  @IsPart(() => Party) to!: Party;
  /** Who may claim its secrets from now on. */
  @IsPart(() => Principal) claimant!: Principal;
  @IsPart(() => Actor) by!: Actor;
  @IsOptional() @IsText(1000) reason?: string;
  /** Place in the issuer's state log. */
  @IsInt() seq!: number;
}

/** What stopped a token without a person being asked is in force everywhere: no verifier under lease says VALID from before it. */
export class StopConfirmed {
  @IsTokenId() tokenId!: TokenId;
  /** Place of the stop in the issuer's state log. */
  @IsInt() seq!: number;
  /** Why it was stopped. */
  @IsCode() code!: string;
  /** The leak report or alert that led to it; absent where the secret was burnt. */
  @IsOptional() @IsString() @MaxLength(64) cause?: string;
  /** When the leak was reported or the secret handed in, where one of these led to it. */
  @IsOptional() @IsTime() reportedAt?: string;
  /** When it was decided, and when the last verifier had applied it or could no longer say yes. */
  @IsTime() stoppedAt!: string;
  @IsTime() refusedAt!: string;
  /** Verifiers that applied it, and those whose lease ran out. */
  @IsInt() @Min(0) acknowledged!: number;
  @IsInt() @Min(0) fenced!: number;
}

/** A stop that was proposed is not carried out, and the token lives: whoever looks at the alert has to decide. */
export class StopBlocked {
  @IsTokenId() tokenId!: TokenId;
  @IsAlertId() alertId!: AlertId;
  /** What stands against it: `owner-breaker`, `fleet-breaker`, or `never-used`. */
  @IsCode() code!: string;
}

/** What verifiers saw, in batches; never on the way of a verification. */
export class UsageRecorded {
  @IsString() @MaxLength(64) verifierId!: string;
  /** All uses at this verifier before this time are reported. */
  @IsTime() watermark!: string;
  @ArrayMaxSize(4096) @IsParts(() => UsageRecord) records!: UsageRecord[];
}

// ── rotation ─────────────────────────────────────────────────────────────────────────────────────────────────────

export const rotationCauses = ['scheduled', 'requested', 'emergency', 'leak'] as const;
export type RotationCause = (typeof rotationCauses)[number];
/** A secret's time has come. The deadline is fixed here; first use only shortens it. */
export class RotationDue {
  @IsTokenId() tokenId!: TokenId;
  @IsRotationId() rotationId!: RotationId;
  @IsIn(rotationCauses) cause!: RotationCause;
  @IsTime() deadlineAt!: string;
  /** A successor that nobody claimed until then lapses, and the rotation is tried again. */
  @IsTime() claimBefore!: string;
  @IsOptional() @IsPart(() => Principal) by?: Principal;
  /** Why it was asked for. */
  @IsOptional() @IsText(1000) reason?: string;
  /** Purpose `rotation`; without it the issuer does nothing. */
  @IsOptional() @IsStatement() statement?: string;
}

/** The old secret is still in use while its end comes near; here is by whom. */
export class RotationBlocked {
  @IsTokenId() tokenId!: TokenId;
  @IsRotationId() rotationId!: RotationId;
  @IsTime() deadlineAt!: string;
  @ArrayMaxSize(64) @IsParts(() => Straggler) stragglers!: Straggler[];
}

export const rotationCommands = ['stop', 'force'] as const;
/** A person stopped a rotation (its successor dies) or forced it (the old secret dies at once). */
export class RotationSteered {
  @IsTokenId() tokenId!: TokenId;
  @IsRotationId() rotationId!: RotationId;
  @IsIn(rotationCommands) command!: (typeof rotationCommands)[number];
  @IsPart(() => Principal) by!: Principal;
  @IsText(1000) reason!: string;
  /** Purpose `rotation`; without it the issuer does nothing. */
  @IsOptional() @IsStatement() statement?: string;
}

/** The end is near: once per token and lead time. */
export class TokenExpiring {
  @IsTokenId() tokenId!: TokenId;
  @IsPart(() => Party) owner!: Party;
  @IsTime() expiresAt!: string;
  @IsDuration() leadTime!: string;
}

// ── audit ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The log's newest signed head. */
export class CheckpointPublished {
  @IsString() @MaxLength(256) origin!: string;
  @IsInt() @Min(0) size!: number;
  /** Standard base64 of the 32-byte root. */
  @IsString() @MaxLength(64) root!: string;
  @IsTime() publishedAt!: string;
  /** Of the last checkpoint that a quorum of witnesses cosigned. */
  @IsInt() @Min(0) cosignatures!: number;
}

// ── monitor ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** A detector proposes; the issuer decides, under its circuit breakers. */
export class MisuseDetected {
  @IsAlertId() alertId!: AlertId;
  @IsTokenId() tokenId!: TokenId;
  @IsCode() detector!: string;
  @IsIn(misuseActions) action!: MisuseAction;
  /** In words, for the owner. */
  @IsString() @MaxLength(1024) explanation!: string;
  @IsTime() observedAt!: string;
  /** Of what the verdict rests on, in RFC 8785 form; the monitor keeps it with the alert. */
  @IsOptional() @IsDigest() evidenceDigest?: Digest;
  /** Purpose `proposal`. */
  @IsStatement() statement!: string;
}

/** Somebody showed that a secret is out. Its inner digest proves possession and is no bearer. */
export class LeakReported {
  @IsReportId() reportId!: ReportId;
  /** base64url of the secret's inner digest. */
  @IsString() @MaxLength(64) innerDigest!: string;
  @IsCode() channel!: string;
  @IsOptional() @IsString() @MaxLength(2048) url?: string;
  @IsTime() reportedAt!: string;
  @IsStatement() statement!: string;
}

/** A smaller token would do: these scopes were never used. */
export class NarrowingProposed {
  @IsTokenId() tokenId!: TokenId;
  @IsPart(() => Party) owner!: Party;
  @IsArray() @IsScope({ each: true }) keep!: string[];
  @IsArray() @IsScope({ each: true }) drop!: string[];
  @IsInt() @Min(1) unusedDays!: number;
  /** What a request for the smaller token says beside `keep` as its scopes and `replaces: tokenId`. */
  @IsOptional() @IsName() resource?: string;
  @IsOptional() @IsEnvironment() environment?: string;
  @IsOptional() @IsTime() expiresAt?: string;
}

export const monitoringChanges = ['alert-dismissed', 'detector-limited', 'honeytoken-marked', 'honeytoken-unmarked'] as const;
/** A person changed what the monitor does, or said of what it saw that it was no misuse. */
export class MonitoringChanged {
  @IsIn(monitoringChanges) change!: (typeof monitoringChanges)[number];
  @IsPart(() => Principal) by!: Principal;
  @IsOptional() @IsText(1000) reason?: string;
  /** Of a dismissal. */
  @IsOptional() @IsAlertId() alertId?: AlertId;
  @IsOptional() @IsTokenId() tokenId?: TokenId;
  /** Of a detector, and how far it may go from now on. */
  @IsOptional() @IsCode() detector?: string;
  @IsOptional() @IsCode() most?: string;
  /** Of a honeytoken: base64url of a MAC of its id under a key that the monitor alone has. It names no token to anybody else. */
  @IsOptional() @IsString() @MaxLength(64) mark?: string;
}

/** How far an owner can be relied on, as a fact that policies may use. */
export class TrustChanged {
  @IsSubject() ownerId!: string;
  @IsName() team!: string;
  @IsInt() @Min(0) openIncidents!: number;
  @IsInt() @Min(0) version!: number;
  /**
   * `honeytoken-source` while a stop for that is open; else what changed: `incident-opened`, `incident-dismissed`,
   * `incident-closed` or `incident-transferred`.
   */
  @IsCode() code!: string;
  @IsTime() since!: string;
}

/** Something is wrong with the log: an edit, a gap, a fork, a contradiction. Said once for each. */
export class AuditFinding {
  @IsString() @MaxLength(256) origin!: string;
  @IsCode() code!: string;
  @IsString() @MaxLength(1024) detail!: string;
  /** The log's entry concerned. */
  @IsOptional() @IsInt() @Min(0) entry?: number;
}

// ── everyone, and outside ────────────────────────────────────────────────────────────────────────────────────────

/** A message could not be handled and waits for an operator. */
export class MessageParked {
  @IsName() service!: string;
  @IsString() @MaxLength(256) messageId!: string;
  @IsCode() code!: string;
  @IsString() @MaxLength(1024) detail!: string;
  @IsDigest() bodyDigest!: Digest;
  @IsOptional() @IsString() @MaxLength(256) userId?: string;
}

/** Somebody changed something over HTTP that no other event tells of: a registration, a campaign, a draft. */
export class ActRecorded {
  @IsName() service!: string;
  /** Method and route, such as `POST /v1/gateways`. */
  @IsString() @MaxLength(256) act!: string;
  /** The path as it was called. */
  @IsString() @MaxLength(1024) path!: string;
  @IsPart(() => Principal) by!: Principal;
  /** Of a revocation of many: whose tokens ended; absent = everybody's. */
  @IsOptional() @IsSubject() ownerId?: string;
  @IsOptional() @IsString() @MaxLength(1024) reason?: string;
  /** Of a revocation of many: its place in the issuer's state log. */
  @IsOptional() @IsInt() seq?: number;
}

/** How far one of a service's counters has come: it said every number up to `n`. */
export class ProducerCount {
  /** `issuer/3`, as in the envelopes. */
  @IsString() @MaxLength(64) producer!: string;
  @IsString() @MaxLength(19) n!: string;
}

/** A service is alive, once a minute, so that silence shows. */
export class ServiceAlive {
  @IsName() service!: string;
  @IsTime() at!: string;
  /** All its counters, so that a last event which never arrived shows, too. */
  @IsOptional() @ArrayMaxSize(64) @IsParts(() => ProducerCount) counters?: ProducerCount[];
}

/** The identity system says that somebody left: what is theirs goes to whoever takes it over, or ends. Comes from outside. */
export class OwnerDeactivated {
  @IsSubject() ownerId!: string;
  @IsTime() deactivatedAt!: string;
  /** Whoever takes the tokens of this team over, at once. */
  @IsOptional() @IsPart(() => Party) transferTo?: Party;
}

export const events = {
  'request.submitted': RequestSubmitted,
  'request.refused': RequestRefused,
  'request.cancelled': RequestCancelled,
  'request.approved': RequestApproved,
  'request.held': RequestHeld,
  'request.denied': RequestDenied,
  'request.lapsed': RequestLapsed,
  'review.recorded': ReviewRecorded,
  'policy.activated': PolicyActivated,
  'token.issued': TokenIssued,
  'issue.refused': IssueRefused,
  'token.delivered': TokenDelivered,
  'token.rotated': TokenRotated,
  'token.retired': TokenRetired,
  'token.suspended': TokenSuspended,
  'token.resumed': TokenResumed,
  'token.revoked': TokenRevoked,
  'token.expired': TokenExpired,
  'stop.confirmed': StopConfirmed,
  'stop.blocked': StopBlocked,
  'token.orphaned': TokenOrphaned,
  'token.straggling': TokenStraggling,
  'token.transferred': TokenTransferred,
  'usage.recorded': UsageRecorded,
  'rotation.due': RotationDue,
  'rotation.blocked': RotationBlocked,
  'rotation.steered': RotationSteered,
  'token.expiring': TokenExpiring,
  'checkpoint.published': CheckpointPublished,
  'audit.finding': AuditFinding,
  'misuse.detected': MisuseDetected,
  'leak.reported': LeakReported,
  'narrowing.proposed': NarrowingProposed,
  'trust.changed': TrustChanged,
  'monitoring.changed': MonitoringChanged,
  'message.parked': MessageParked,
  'act.recorded': ActRecorded,
  'service.alive': ServiceAlive,
  'owner.deactivated': OwnerDeactivated,
} as const;

export type EventType = keyof typeof events;
export type EventData<T extends EventType> = InstanceType<(typeof events)[T]>;
export const eventTypes = Object.keys(events) as EventType[];
