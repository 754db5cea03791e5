import type { Caller } from '@writ/service';
import type { TokenRow } from '../tokens/token.row.js';

export type TransferVerdict = { to: string } | { refuse: 'forbidden' | 'conflict'; code: string; detail: string };

type Token = Pick<TokenRow, 'state' | 'owner_id' | 'owner_team' | 'orphaned_until' | 'expires_at' | 'delivery'>;

/**
 * Decides who may give a token to whom: an administrator to anybody of its team, a member of the team to itself once the
 * owner has left. The team stays, because policy decided for it; another team asks anew.
 * @param to as asked for; undefined = the caller
 */
export function mayTransfer(caller: Pick<Caller, 'sub' | 'team' | 'roles'>, token: Token, to: string | undefined, now: Date): TransferVerdict {
  const taker = to ?? caller.sub;
  if (!caller.roles.has('admin')) {
    if (caller.team !== token.owner_team || caller.sub === token.owner_id) return no('forbidden', 'Only its team and administrators may give this token another owner.');
    if (taker !== caller.sub) return no('forbidden', 'Only an administrator may give it to somebody else.');
    if (token.orphaned_until === null) return no('not-offered', 'Its owner has not left.');
  }
  const offerIsOver = token.orphaned_until !== null && token.orphaned_until <= now;
  const ended = token.state === 'revoked' || token.state === 'expired' || token.expires_at <= now || offerIsOver;
  if (ended) return no('token-ended', 'This token has ended.');
  if (token.delivery.mode === 'sealed') return no('delivered-sealed', 'Its secrets are sealed to a key of its owner.');
  if (taker === token.owner_id) return no('same-owner', 'That is its owner.');
  return { to: taker };
}

function no(code: string, detail: string): TransferVerdict {
  return { refuse: code === 'forbidden' || code === 'not-offered' ? 'forbidden' : 'conflict', code, detail };
}
