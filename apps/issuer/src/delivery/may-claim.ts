import type { GenerationRow, TokenRow } from '../tokens/token.row.js';

/** So long after the first claim a lost answer is forgiven, and so many times. */
export const reclaimMs = 60_000;
export const maxReclaims = 3;

export type ClaimVerdict =
  | { act: 'mint' }
  /** The answer was lost: a new secret, and the one that was lost dies. */
  | { act: 'mint-again' }
  /** Somebody else has the secret, or will: nobody may. */
  | { act: 'kill' }
  | { act: 'refuse'; code: string; detail: string };

type Token = Pick<TokenRow, 'state' | 'expires_at' | 'issue_seq' | 'delivery'>;
type Generation = Pick<GenerationRow, 'state' | 'claim_before' | 'claim_key' | 'claims' | 'claimed_at'>;

const refuse = (code: string, detail: string): ClaimVerdict => ({ act: 'refuse', code, detail });

/**
 * Decides the claim of the token's own claimant. Only a second session kills: the first one's repetition never does.
 * @param key digest of who claims, through which client, with which Idempotency-Key; undefined without such a key
 * @param epochSeq place of the last epoch that concerns the owner; 0 = none
 */
export function mayClaim(token: Token, generation: Generation, key: Uint8Array | undefined, epochSeq: number, now: Date): ClaimVerdict {
  const ended = token.state === 'revoked' || token.state === 'expired' || token.expires_at <= now || epochSeq > Number(token.issue_seq);
  if (ended) return refuse('token-ended', 'This token has ended.');
  if (token.state === 'suspended') return refuse('token-suspended', 'This token is suspended.');
  if (token.delivery.mode === 'sealed') return refuse('delivered-sealed', 'The secret was sealed to the registered key; nobody claims it.');
  if (generation.state === 'retired') return refuse('secret-retired', 'This secret has ended.');
  if (generation.state === 'claimable') {
    return generation.claim_before && generation.claim_before <= now ? refuse('claim-lapsed', 'The time to claim is over.') : { act: 'mint' };
  }
  const sameSession = key !== undefined && generation.claim_key !== null && Buffer.compare(generation.claim_key, key) === 0;
  if (!sameSession) return { act: 'kill' };
  const inTime = generation.claimed_at !== null && now.getTime() - generation.claimed_at.getTime() <= reclaimMs;
  if (generation.state === 'delivered' && inTime && generation.claims <= maxReclaims) return { act: 'mint-again' };
  return refuse('already-claimed', 'The secret was delivered, and the time to ask again is over.');
}
