import type { TokenState } from '@writ/contracts';
import type { CachedToken, TokenCache } from '@writ/gateway';
import type { StateKind } from '@writ/token';
import type { SealedFacts } from '../tokens/token.row.js';

/** What the state log says of a token and one of its secrets. */
export interface LogFacts {
  /** The last entry that concerns the token as a whole. */
  kind: StateKind | null;
  minted_seq: string;
  /** The last end of a secret with this number. */
  retired_seq: string | null;
  owner_epoch_seq: string | null;
  epoch_seq: string | null;
  generation: number;
  /** The deadline of this secret, where somebody has a newer one. Not of the log: it can but end a secret sooner. */
  retires_at: Date | null;
}

/** A token as its secret shows it, before anybody's question. */
export interface KnownToken {
  state: 'VALID' | 'SUSPENDED' | 'REVOKED' | 'EXPIRED';
  tokenId: string;
  owner: string;
  generation: number;
  audience: string;
  environment: string;
  scopes: readonly string[];
  /** The end of the token, or of this secret where that is sooner. */
  expiresAtMs: number;
  networks?: readonly string[];
  ratePerMinute?: number;
}

/** The state follows from the log alone; only the facts of the right come from its row. */
export function stateByLog(log: LogFacts, row: SealedFacts): KnownToken {
  return {
    state: codeOf(log, Number(row.issue_seq)),
    tokenId: row.token_id,
    owner: row.owner_id,
    generation: log.generation,
    audience: row.audience,
    environment: row.environment,
    scopes: row.scopes,
    expiresAtMs: Math.min(row.expires_at.getTime(), log.retires_at?.getTime() ?? Infinity),
    ...(row.networks ? { networks: row.networks } : {}),
    ...(row.rate_per_minute ? { ratePerMinute: row.rate_per_minute } : {}),
  };
}

function codeOf({ kind, retired_seq, minted_seq, owner_epoch_seq, epoch_seq }: LogFacts, issueSeq: number): KnownToken['state'] {
  if (kind === 'expire') return 'EXPIRED';
  if (kind === 'revoke' || kind === null) return 'REVOKED';
  if (Math.max(Number(owner_epoch_seq ?? 0), Number(epoch_seq ?? 0)) > issueSeq) return 'REVOKED';
  // A secret made after the end of one with its number is that one's replacement, not it.
  if (Number(retired_seq ?? 0) > Number(minted_seq)) return 'REVOKED';
  return kind === 'suspend' ? 'SUSPENDED' : 'VALID';
}

/** The row says that the token was stopped, and the log does not: both are written together, so an entry was taken away. */
export function contradicts(row: TokenState, state: KnownToken['state']): boolean {
  const isEnded = row === 'revoked' || row === 'expired';
  return (state === 'VALID' && (isEnded || row === 'suspended')) || (state === 'SUSPENDED' && isEnded);
}

/** A token as memory keeps it: what many have in common is kept once. */
export function toCache({ state, tokenId, owner, expiresAtMs, ...grant }: KnownToken): CachedToken {
  return { state, tokenId, owner, expiresAtMs, grant };
}

/** The token in a slot of memory, whose state the entries of the log have kept up to date. */
export function knownAt(cache: TokenCache, slot: number): KnownToken {
  const { generation, audience, environment, scopes, networks, ratePerMinute } = cache.grant(slot) as KnownToken;
  return { state: cache.state(slot), tokenId: cache.tokenId(slot), owner: cache.owner(slot), generation, audience, environment, scopes, expiresAtMs: cache.expiresAtMs(slot), networks, ratePerMinute };
}
