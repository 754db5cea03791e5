import type { RotationId, TokenView } from '@writ/contracts';
import type { ClaimNote } from './secret-store.js';

/** What a consumer knows when it looks. */
export interface Seen {
  /** As the issuer says it, who alone knows what can be claimed; the calendar of rotations hears of it later. */
  token: Pick<TokenView, 'state' | 'generations'>;
  /** Whether a secret is stored. */
  hasSecret: boolean;
  /** The claim under way. */
  claim: ClaimNote | undefined;
}

type Generation = TokenView['generations'][number];

export type Step =
  | { do: 'claim'; rotationId?: RotationId }
  /** The new secret has been used, or is the first: the one before may be forgotten. */
  | { do: 'settle' }
  /** Somebody stopped the rotation, and the new secret died with it: the one before is in force again. */
  | { do: 'revert' }
  | { do: 'wait'; why: 'fresh' | 'unused' | 'suspended' | 'no-secret' }
  /** There is nothing left to keep fresh. */
  | { do: 'end'; why: 'revoked' | 'expired' };

/** Decides what a consumer does next; the same facts always lead to the same step. */
export function nextStep({ token, hasSecret, claim }: Seen): Step {
  if (token.state === 'revoked' || token.state === 'expired') return { do: 'end', why: token.state };
  if (token.state === 'suspended') return { do: 'wait', why: 'suspended' };
  // First what a crash cut off: its key is the only one that may still ask.
  if (claim && !claim.done) return { do: 'claim', ...(claim.rotationId && { rotationId: claim.rotationId }) };
  // Never a second time with another key, whatever the issuer says: it would end the token.
  if (token.state === 'issued' && !claim) return { do: 'claim' };
  // Before the next claim: its store keeps one secret to go back to, and that has to be one that works.
  if (claim && isSettled(token, claim)) return { do: 'settle' };
  const claimable = token.generations.find(({ state, rotationId }) => state === 'claimable' && rotationId !== undefined && rotationId !== claim?.rotationId);
  if (claimable?.rotationId) return { do: 'claim', rotationId: claimable.rotationId };
  if (!claim) return { do: 'wait', why: hasSecret ? 'fresh' : 'no-secret' };
  return isLiving(ownOf(token, claim)) ? { do: 'wait', why: 'unused' } : { do: 'revert' };
}

/** Whether there is nothing to go back to: the claimed secret is the first one, has been used, or the ones before have ended. */
function isSettled(token: Seen['token'], claim: ClaimNote): boolean {
  if (claim.rotationId === undefined) return true;
  const own = ownOf(token, claim);
  if (!isLiving(own)) return false;
  return own.state === 'used' || !token.generations.some((each) => each.generation < own.generation && isLiving(each));
}

function ownOf({ generations }: Seen['token'], claim: ClaimNote): Generation | undefined {
  return generations.find(({ rotationId }) => rotationId === claim.rotationId);
}

function isLiving(generation: Generation | undefined): generation is Generation {
  return generation !== undefined && generation.state !== 'retired';
}
