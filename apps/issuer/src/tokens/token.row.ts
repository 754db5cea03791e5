import type { Actor, Delivery, Principal, RequestId, RotationId, TokenId, TokenState } from '@writ/contracts';
import { macEquals, rowBytes, type KeyProvider } from '@writ/token';

export interface TokenRow {
  token_id: TokenId;
  request_id: RequestId;
  request_digest: string;
  state: TokenState;
  /** Counts the token's events. */
  version: number;
  owner_id: string;
  owner_team: string;
  claimant_iss: string;
  claimant_sub: string;
  resource: string;
  audience: string;
  scopes: string[];
  environment: string;
  delivery: Delivery;
  issued_at: Date;
  expires_at: Date;
  /** When the issuer has to look at it next: the end, or the claim deadline of a token that nobody claimed. */
  ends_at: Date;
  claimed_at: Date | null;
  last_used_at: Date | null;
  rotate_seconds: number | null;
  grace_seconds: number | null;
  replaces: TokenId | null;
  /** Number of the newest secret. */
  generation: number;
  /** Place of the issue in the state log; a later epoch of the owner, or of everybody, ends the token. */
  issue_seq: string;
  stopped_by: Actor | null;
  /** Its owner left; unless somebody takes it over, it ends then. */
  orphaned_until: Date | null;
  /** CIDR blocks that the end client must call from; null = anywhere. */
  networks: string[] | null;
  rate_per_minute: number | null;
  mac: Buffer;
  mac_kid: string;
}

export type GenerationState = 'claimable' | 'delivered' | 'used' | 'retired';

export interface GenerationRow {
  token_id: TokenId;
  generation: number;
  rotation_id: RotationId | null;
  state: GenerationState;
  cause: string | null;
  /** When its rotation began, and by whom where a person asked for it. */
  begun_at: Date | null;
  begun_by: Principal | null;
  claim_before: Date | null;
  /** Who claimed, with which key: a lost answer is repeated to nobody else. */
  claim_key: Buffer | null;
  claims: number;
  claimed_at: Date | null;
  claimed_by: Principal | null;
  used_at: Date | null;
  /** Kept once a successor is in use: from then on, or when it was last shown after. */
  last_used_at: Date | null;
  /** The secret ends then, while its token may live on. */
  retires_at: Date | null;
}

/** Its owner left, and it was offered to their team until then. */
export interface OrphaningRow {
  at: Date;
  owner_id: string;
  ends_at: Date;
}

/** The columns of a token that decide what its secrets are worth. */
export type SealedFacts = Pick<TokenRow, 'token_id' | 'request_id' | 'request_digest' | 'owner_id' | 'claimant_iss' | 'claimant_sub' | 'audience'
  | 'scopes' | 'environment' | 'expires_at' | 'issue_seq' | 'networks' | 'rate_per_minute'>;

/** Those, and the columns that decide who may take it over and what may replace it. */
export type HeldFacts = SealedFacts & Pick<TokenRow, 'owner_team' | 'resource' | 'delivery' | 'orphaned_until'>;

/** Which secret of the token a row is for. */
export interface SecretFacts {
  verifier: Buffer;
  generation: number;
  minted_seq: string;
}

/** The MAC of the row of a token's secret: with what was edited in the database it does not verify. */
export function sealOf(keys: KeyProvider, token: SealedFacts, kid: string, { verifier, generation, minted_seq }: SecretFacts): Promise<Buffer> {
  return keys.mac('row', bytesOf(token, verifier, { generation: String(generation), mintedSeq: minted_seq }), kid);
}

/** The MAC of a token's own row. */
export function rowSealOf(keys: KeyProvider, token: HeldFacts, kid: string): Promise<Buffer> {
  const { owner_team: team, resource, delivery, orphaned_until } = token;
  const held = { team, resource, delivery: delivery.mode, deliveryKey: delivery.keyId ?? '', orphanedUntil: orphaned_until?.toISOString() ?? '' };
  return keys.mac('row', bytesOf(token, Buffer.alloc(0), held), kid);
}

export async function isGenuine(keys: KeyProvider, token: TokenRow): Promise<boolean> {
  return macEquals(token.mac, await rowSealOf(keys, token, token.mac_kid));
}

/** What somebody edited in the database, or put back, must not come out of a change with a good seal. */
export class ForgedRow extends Error {
  constructor(tokenId: string) {
    super(`The row of ${tokenId} was changed behind the issuer's back.`);
    this.name = 'ForgedRow';
  }
}

function bytesOf(token: SealedFacts, verifier: Buffer, more: Record<string, string>): Buffer {
  return rowBytes({
    tokenId: token.token_id,
    verifier,
    ownerId: token.owner_id,
    audience: token.audience,
    scopes: token.scopes,
    expiresAtMs: token.expires_at.getTime(),
    stateEpoch: Number(token.issue_seq),
    constraints: {
      environment: token.environment, request: token.request_id, requestDigest: token.request_digest, claimantIss: token.claimant_iss, claimantSub: token.claimant_sub,
      networks: JSON.stringify(token.networks), ratePerMinute: String(token.rate_per_minute), ...more,
    },
  });
}
