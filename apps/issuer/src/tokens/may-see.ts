import type { Caller } from '@writ/service';
import type { TokenRow } from './token.row.js';

type Stopped = Pick<TokenRow, 'stopped_by'>;
type Owned = Pick<TokenRow, 'claimant_iss' | 'claimant_sub' | 'owner_team'>;

/** The claimant and the team that answers for the token. */
export function owns(caller: Pick<Caller, 'iss' | 'sub' | 'team'>, token: Owned): boolean {
  return (caller.iss === token.claimant_iss && caller.sub === token.claimant_sub) || (caller.team !== undefined && caller.team === token.owner_team);
}

export function maySee(caller: Pick<Caller, 'iss' | 'sub' | 'team' | 'roles'>, token: Owned): boolean {
  return caller.roles.has('admin') || caller.roles.has('auditor') || owns(caller, token);
}

export function mayStop(caller: Pick<Caller, 'iss' | 'sub' | 'team' | 'roles'>, token: Owned): boolean {
  return caller.roles.has('admin') || owns(caller, token);
}

/** What a person suspended they resume themselves, or an administrator does; what no person suspended, whoever may stop it. */
export function mayResume(caller: Pick<Caller, 'iss' | 'sub' | 'roles'>, { stopped_by: by }: Stopped): boolean {
  return caller.roles.has('admin') || by?.kind !== 'person' || (by.principal?.iss === caller.iss && by.principal.sub === caller.sub);
}
