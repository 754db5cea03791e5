import type { TokenState } from '@writ/contracts';

/** What can happen to a whole token after its issue. */
export const stopKinds = ['suspend', 'resume', 'revoke', 'expire'] as const;
export type StopKind = (typeof stopKinds)[number];

/** Where a token goes, or undefined where nothing changes. Revoked and expired are final: suspension is the undo. */
export function nextState(state: TokenState, kind: StopKind, wasClaimed: boolean): TokenState | undefined {
  if (state === 'revoked' || state === 'expired') return undefined;
  if (kind === 'revoke') return 'revoked';
  if (kind === 'expire') return 'expired';
  if (kind === 'suspend') return state === 'suspended' ? undefined : 'suspended';
  if (state !== 'suspended') return undefined;
  return wasClaimed ? 'active' : 'issued';
}
