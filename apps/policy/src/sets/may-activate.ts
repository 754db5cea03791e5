import type { Principal } from '@writ/contracts';

export interface ActivationFacts {
  /** The number of the activation that holds now; 0 where none ever did. */
  activation: number;
  isActive: boolean;
  loosened: boolean;
  by: Principal;
  /** Who asked for the same before, since the set that is active now. */
  proposedBy?: Principal;
}

/** Loosening takes two people. The very first set replaces nothing, so one person may activate it. */
export function mayActivate({ activation, isActive, loosened, by, proposedBy }: ActivationFacts): 'active-already' | 'activate' | 'propose' | 'wait' {
  if (isActive) return 'active-already';
  if (activation === 0 || !loosened) return 'activate';
  if (!proposedBy) return 'propose';
  return proposedBy.sub === by.sub ? 'wait' : 'activate';
}
