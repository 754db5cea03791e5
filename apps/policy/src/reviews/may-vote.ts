import type { Principal, Quorum } from '@writ/contracts';

export interface Voter extends Principal {
  kind: 'person' | 'machine' | 'gateway';
  groups: readonly string[];
}

/** Whoever has a hand in a request. */
export interface Involved {
  requester: { id: string };
  claimant: Principal;
  submitter: Principal;
}

export type MayNotVote = 'not-a-person' | 'own-request' | 'owner-of-requester' | 'not-in-a-group';

/**
 * Says whether somebody may vote on a request: a person of one of the groups that must agree, by the ids in the token of
 * this very act, who neither asked, nor handed in, nor claims, nor owns what asked. A subject counts whichever
 * provider vouches for it and however it is spelt, since one person may sign in through two, or under any case.
 * @param owners who owns the requesting service, as the catalog says
 */
export function mayVote(voter: Voter, request: Involved, owners: readonly string[], require: readonly Quorum[]): true | MayNotVote {
  if (voter.kind !== 'person') return 'not-a-person';
  const isVoter = (sub: string) => sub.toLowerCase() === voter.sub.toLowerCase();
  if ([request.requester.id, request.claimant.sub, request.submitter.sub].some(isVoter)) return 'own-request';
  if (owners.some(isVoter)) return 'owner-of-requester';
  if (!require.some(({ group }) => voter.groups.includes(group))) return 'not-in-a-group';
  return true;
}
