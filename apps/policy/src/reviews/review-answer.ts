import type { Grant, ReviewAnswer, ReviewState } from '@writ/contracts';
import { nearestOf } from '../decisions/answer.js';
import { trustLevel, type OwnerTrust } from '../decisions/facts.js';
import { grantOf } from '../decisions/grant.js';
import { mayVote, type Voter } from './may-vote.js';
import type { Review, StoredVote } from './review.store.js';
import { remaining } from './settle.js';

const states: Record<Review['state'], ReviewState> = {
  waiting: 'open', held: 'open', approved: 'approved', denied: 'denied', cancelled: 'cancelled', lapsed: 'lapsed',
};

export interface Seen {
  viewer: Voter;
  /** Who own the requesting service, as the catalog says. */
  owners: readonly string[];
  /** What the monitor says of the requester by now, which may be more than it did when the request was held. */
  trust: OwnerTrust | undefined;
  now: Date;
}

/** Shows a review to somebody: what is asked and why it is held, who can still agree, and whether they themselves may. */
export function reviewAnswer(review: Review, votes: readonly StoredVote[], { viewer, owners, trust, now }: Seen): ReviewAnswer {
  const { request, decision, require } = review;
  const status = states[review.state];
  const may = whether(review, votes, viewer, owners);
  return {
    requestId: review.requestId, requestDigest: review.requestDigest, status,
    requester: request.requester, openIncidents: trust?.openIncidents ?? 0, trust: trustLevel(trust), submitter: request.submitter, claimant: request.claimant, source: request.source, reason: request.reason,
    resource: request.resource, scopes: request.scopes, environment: request.environment, ttl: request.ttl, expiresAt: request.expiresAt,
    delivery: request.delivery.mode, replaces: request.replaces,
    code: decision.code, message: decision.message, because: decision.because.map((rule) => ({ ...rule })), ...nearestOf(decision),
    ...grantNow(review, votes, now),
    require: remaining(require, votes),
    votes: votes.map(({ reviewer, groups, vote, reason, narrow, castAt }) => ({ reviewer, groups: [...groups], vote, reason, narrow, castAt: castAt.toISOString() })),
    openedAt: review.openedAt.toISOString(), lapsesAt: review.lapsesAt.toISOString(),
    ...(review.closedAt ? { closedAt: review.closedAt.toISOString() } : {}),
    mayVote: may === true, ...(may === true ? {} : { whyNot: may }),
  };
}

function whether(review: Review, votes: readonly StoredVote[], viewer: Voter, owners: readonly string[]) {
  if (review.state !== 'held' || review.overdue) return 'review-closed';
  if (votes.some(({ reviewer }) => reviewer.sub === viewer.sub && reviewer.iss === viewer.iss)) return 'already-voted';
  return mayVote(viewer, review.request, owners, review.require);
}

function grantNow({ request, decision }: Review, votes: readonly StoredVote[], now: Date): { grant?: Grant } {
  const grant = grantOf(request, decision.obligations, votes.flatMap(({ narrow }) => narrow ?? []), now);
  return typeof grant === 'string' ? {} : { grant };
}
