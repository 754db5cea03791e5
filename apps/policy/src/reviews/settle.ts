import type { AcceptedRequest, Grant, Narrowing, Principal, Quorum } from '@writ/contracts';
import type { Decision, Obligations } from '@writ/policy';
import { grantOf, stricter, type EmptyGrant } from '../decisions/grant.js';

export interface CastVote {
  reviewer: Principal;
  groups: readonly string[];
  vote: 'approve' | 'deny';
  narrow?: Narrowing;
}

export type Settled =
  | { state: 'open'; require: Quorum[] }
  | { state: 'approved'; require: Quorum[]; grant: Grant }
  | { state: 'denied'; code: EmptyGrant | 'denied-by-reviewer' | 'denied-by-policy' };

/** How many people of each group are still to agree. One person counts once in each of their groups. */
export function remaining(require: readonly Quorum[], votes: readonly CastVote[]): (Quorum & { remaining: number })[] {
  return require.map(({ group, approvers }) => {
    const people = votes.filter(({ vote, groups }) => vote === 'approve' && groups.includes(group)).map(({ reviewer }) => `${reviewer.iss} ${reviewer.sub.toLowerCase()}`);
    return { group, approvers, remaining: Math.max(0, approvers - new Set(people).size) };
  });
}

export function isFull(require: readonly Quorum[], votes: readonly CastVote[]): boolean {
  return require.length > 0 && remaining(require, votes).every((quorum) => quorum.remaining === 0);
}

export interface ReviewFacts {
  request: AcceptedRequest;
  votes: readonly CastVote[];
  /** What had to be fulfilled so far, and what the token had to obey when the request was held. */
  require: readonly Quorum[];
  obligations: Obligations;
  /** The same request decided by the set and the facts of now. */
  fresh: Decision;
  now: Date;
}

/**
 * Says what the votes on a held request come to. One denial ends it. A full quorum approves only what the set of now
 * still leaves to people: the stricter of then and now holds, so that no vote outlives a tightened rule.
 */
export function settle({ request, votes, require, obligations, fresh, now }: ReviewFacts): Settled {
  if (votes.some(({ vote }) => vote === 'deny')) return { state: 'denied', code: 'denied-by-reviewer' };
  if (!isFull(require, votes)) return { state: 'open', require: [...require] };
  if (fresh.outcome === 'deny') return { state: 'denied', code: 'denied-by-policy' };
  const needed = mostOf(require, quorumsOf(fresh.require ?? {}));
  if (!isFull(needed, votes)) return { state: 'open', require: needed };
  const grant = grantOf(request, stricter(obligations, fresh.obligations), votes.flatMap(({ narrow }) => narrow ?? []), now);
  return typeof grant === 'string' ? { state: 'denied', code: grant } : { state: 'approved', require: needed, grant };
}

export function quorumsOf(require: Readonly<Record<string, number>>): Quorum[] {
  return Object.entries(require).map(([group, approvers]) => ({ group, approvers })).sort((a, b) => (a.group < b.group ? -1 : 1));
}

function mostOf(a: readonly Quorum[], b: readonly Quorum[]): Quorum[] {
  const most: Record<string, number> = {};
  for (const { group, approvers } of [...a, ...b]) most[group] = Math.max(most[group] ?? 0, approvers);
  return quorumsOf(most);
}
