import type { RotationDue, RotationSteered } from './events.js';
import type { Digest, RequestId, TokenId, AlertId, ReportId } from './ids.js';
import type { MisuseAction } from './misuse.js';
import type { Grant, Narrowing, Principal, Quorum } from './parts.js';
import type { Claims } from './statement.js';

/** What the statements say, by purpose. Producer and checker share these shapes. */

export interface RequestClaims extends Claims {
  requestId: RequestId;
  requestDigest: Digest;
  /** The request that the replaced token was issued for, and that token's end; where the request replaces one. */
  replaces?: { requestId: RequestId; expiresAt: string };
}

/** Signed for every decision, denials included. */
export interface DecisionClaims extends Claims {
  exp: number;
  requestId: RequestId;
  requestDigest: Digest;
  outcome: 'approve' | 'hold' | 'deny';
  policyDigest: Digest;
  /** The activation by which that set decided; absent in what was signed before decisions named it. */
  activation?: number;
  inputDigest: Digest;
  /** With outcome `approve`. */
  grant?: Grant;
  /** The token that this only shrinks: it was approved because of that, and counts only while that token lives. */
  shrinks?: TokenId;
  require: Quorum[];
}

export interface VoteClaims extends Claims {
  exp: number;
  requestId: RequestId;
  requestDigest: Digest;
  reviewer: Principal;
  /** The reviewer's groups at the time of the vote. */
  groups: string[];
  vote: 'approve' | 'deny';
  narrow?: Narrowing;
}

export interface PolicySetClaims extends Claims {
  policyDigest: Digest;
  activation: number;
  /** Of the response rules that go along; absent where there are none. */
  responseDigest?: Digest;
}

export interface ProposalClaims extends Claims {
  exp: number;
  alertId: AlertId;
  tokenId: TokenId;
  action: MisuseAction;
}

export interface LeakClaims extends Claims {
  reportId: ReportId;
  innerDigest: string;
}

/** No expiry: the issuer knows a rotation by its id and begins it once. */
export type RotationClaims = Claims & (
  | Pick<RotationDue, 'tokenId' | 'rotationId' | 'cause' | 'deadlineAt' | 'claimBefore'>
  | Pick<RotationSteered, 'tokenId' | 'rotationId' | 'command'>
);
