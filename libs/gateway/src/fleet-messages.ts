import type { StateEntry } from '@writ/token';
import type { VerifyAnswer } from './answers.js';

/**
 * Messages of the fleet protocol (PROTOCOL.md). A *verifier* is one process that answers from its own
 * memory; the *issuer* owns the state log. An *incarnation* names one unbroken life of that log: it
 * changes when the log may have lost entries, and everything learnt under another one is void.
 */
export interface RegisterAsk {
  /** Shown in receipts, say host and process; not an identity. */
  readonly name: string;
  /** What a revocation may wait for this verifier; the lease itself is shorter. */
  readonly leaseMs: number;
}

export interface Registration {
  /** New with every registration: two processes never share one, so an acknowledgement speaks for one memory. */
  readonly verifierId: string;
  /** How long each lease lasts: what was asked for, or the issuer's own maximum, less what clocks and the way may take. */
  readonly leaseMs: number;
  readonly incarnation: string;
  /** Committed head, read after the registration was durable. An empty memory has applied all of it. */
  readonly headSeq: number;
}

/** Asks for a lease, and acknowledges every entry up to `appliedSeq`. */
export interface LeaseAsk {
  readonly verifierId: string;
  readonly incarnation: string;
  readonly nonce: string;
  readonly appliedSeq: number;
  /** How long the issuer may wait for news before it answers. The lease runs from sending, waiting included. */
  readonly holdMs: number;
}

export interface LeaseGrant {
  readonly nonce: string;
  readonly incarnation: string;
  /** Committed head, read after the ask arrived. */
  readonly headSeq: number;
  /** RFC 3339 UTC, read after the ask arrived and not after the head. */
  readonly databaseTime: string;
  /** Entries after the ask's `appliedSeq`, ascending, without a gap. */
  readonly entries: readonly StateEntry[];
  /** The entries do not reach the head: apply them and ask again at once. */
  readonly more: boolean;
}

/** The issuer does not grant: `rejoin` = register anew with an empty memory; `ahead` = the verifier knows more than the log. */
export type LeaseRefusal = 'rejoin' | 'ahead';

/** One verifier's part in a fence: it said it had applied the entry, or its lease had run out. */
export interface Receipt {
  readonly verifierId: string;
  readonly name: string;
  readonly outcome: 'acknowledged' | 'fenced';
  readonly seq: number;
  /** From commit to acknowledgement or to the end of the lease. */
  readonly latencyMs: number;
}

/** One item of `POST /v1/tokens/verify-batch` as verifiers send it: the digest stands for the secret. */
export interface BatchItem {
  /** Inner digest, base64url without padding. */
  readonly digest: string;
}

export interface BatchAnswer {
  readonly incarnation: string;
  readonly results: readonly VerifyAnswer[];
}

/** Uses of one token that were alike, within one upload. Carries nothing that could serve as a bearer. */
export interface UsageRecord {
  readonly tokenId: string;
  /** Which of the token's secrets was shown, where the issuer told it: what a rotation waits for. */
  readonly generation?: number;
  readonly code: string;
  readonly scopesUsed: readonly string[];
  readonly scopesDenied: readonly string[];
  /** The caller's address prefix (/24, /48), when the gateway told it. */
  readonly network?: string;
  readonly agent?: string;
  readonly count: number;
  /** Database time of the first and of the last of these uses, RFC 3339 UTC: what waited long to be uploaded is no burst. */
  readonly firstAt: string;
  readonly at: string;
}

export interface UsageBatch {
  readonly verifierId: string;
  /** Ascending per verifier; a repeated number is the same batch sent again. */
  readonly batch: number;
  readonly records: readonly UsageRecord[];
  /** Every use answered up to this database time has been uploaded, with this batch included; absent = more follows. */
  readonly watermark?: string;
  /** Uses that could not be kept; above zero the watermark proves nothing for the time since the last one. */
  readonly lost: number;
}
