import { Injectable } from '@nestjs/common';
import { signStatement, type VoteBody, type VoteClaims } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { Clock, conflict, later, notFound, principalOf, Problem, type Caller } from '@writ/service';
import { ActiveSets, type ActiveSet } from '../sets/active-set.store.js';
import { approvedByReview, deniedInReview } from '../decisions/answer.js';
import { Decisions } from '../decisions/decisions.store.js';
import { mayVote, type MayNotVote } from './may-vote.js';
import { widening } from './narrowing.js';
import { Notices } from './notice.store.js';
import { keepDecision } from '../decisions/request.store.js';
import { addVote, closeReview, lockReview, requireMore, subjectOf, votesOn, type Review, type StoredVote } from './review.store.js';
import { settle } from './settle.js';

const whyNot: Record<MayNotVote, string> = {
  'not-a-person': 'Machines do not vote.',
  'own-request': 'Nobody votes on a request they made, handed in or will claim.',
  'owner-of-requester': 'Nobody votes on a request of a service they own.',
  'not-in-a-group': 'You are in none of the groups that must agree.',
};

/** Takes votes: signed in memory at the act, one per person, counted under the rules of now. */
@Injectable()
export class Voting {
  constructor(
    private readonly sets: ActiveSets, private readonly decisions: Decisions, private readonly notices: Notices, private readonly clock: Clock,
  ) {}

  /**
   * Casts the same vote on a review and on others that are alike to it; on all of them or on none. Reviews are locked in
   * the order of their ids, so that two such calls never wait for each other in a circle. Races with a withdrawal or a
   * lapse are decided by whoever locks the request first.
   */
  async cast(tx: Tx<'policy'>, caller: Caller, requestId: string, { also = [], ...body }: VoteBody): Promise<void> {
    const set = await this.sets.of(tx.db);
    if (!set) throw later('No policy set can decide at the moment, so no vote counts.', 5);
    const reviews: Review[] = [];
    for (const id of [...new Set([requestId, ...also])].sort()) {
      const review = await lockReview(tx.db, id);
      if (!review) throw notFound(`review as ${id}`);
      reviews.push(review);
    }
    const key = reviews.find((review) => review.requestId === requestId)?.alikeKey;
    const other = reviews.find(({ alikeKey }) => alikeKey !== key);
    if (other) throw new Problem({ status: 422, code: 'not-alike', detail: `${other.requestId} is not alike to ${requestId}.`, remedy: 'Vote on it by itself.' });
    for (const review of reviews) await this.castOne(tx, set, caller, review, body);
  }

  private async castOne(tx: Tx<'policy'>, set: ActiveSet, caller: Caller, review: Review, body: VoteBody): Promise<void> {
    this.check(review, caller, body, set);
    const vote = this.signed(review, caller, body);
    if (!(await addVote(tx.db, vote))) throw conflict('already-voted', `You voted on ${review.requestId} before; a vote stands.`);
    const { reviewer, reason, narrow, statement } = vote;
    tx.emit('review.recorded', { requestId: review.requestId, requestDigest: review.requestDigest, reviewer, vote: vote.vote, reason, narrow, statement });
    await this.close(tx, set, review);
  }

  private check(review: Review, caller: Caller, { vote, narrow }: VoteBody, { catalog }: ActiveSet): void {
    const owners = catalog.requesters.get(review.request.requester.id)?.owners ?? [];
    if (review.state === 'cancelled') throw conflict('request-cancelled', 'The requester withdrew this request.');
    if (review.state === 'lapsed' || (review.state === 'held' && review.overdue)) throw conflict('request-lapsed', 'The time for this review has passed.');
    if (review.state !== 'held') throw conflict('already-decided', `This request is ${review.state}.`);
    const may = mayVote(caller, review.request, owners, review.require);
    if (may !== true) throw new Problem({ status: 403, code: may, detail: whyNot[may], remedy: 'Somebody else of the groups under "require" must vote.' });
    const wider = narrow && (vote === 'deny' ? 'a denial grants nothing that could be narrowed' : widening(review.request, narrow));
    if (wider) throw new Problem({ status: 422, code: 'not-narrower', detail: `A vote only narrows: ${wider}.`, remedy: 'Name fewer of the requested scopes, or an earlier end.' });
  }

  private signed(review: Review, caller: Caller, { vote, reason, narrow }: VoteBody): Omit<StoredVote, 'castAt'> {
    const { requestId, requestDigest } = review;
    const reviewer = principalOf(caller);
    const groups = [...caller.groups];
    // It counts as long as the approval it may become part of.
    const exp = Math.floor(review.lapsesAt.getTime() / 1000) + this.decisions.config.decisionSeconds;
    const claims: VoteClaims = { iat: Math.floor(this.clock.now().getTime() / 1000), exp, requestId, requestDigest, reviewer, groups, vote, narrow };
    return { requestId, reviewer, groups, vote, reason, narrow, statement: signStatement(this.decisions.key, 'vote', claims) };
  }

  /** Draws the conclusion from all votes, under the set and facts of now. */
  private async close(tx: Tx<'policy'>, set: ActiveSet, review: Review): Promise<void> {
    const { requestId, request } = review;
    const votes = await votesOn(tx.db, [requestId]);
    const fresh = await this.decisions.decide(tx.db, set, request);
    const now = this.clock.now();
    const { key, config } = this.decisions;
    const seal = { key, activation: set.activation };
    const settled = settle({ request, votes, require: review.require, obligations: review.decision.obligations, fresh, now });
    if (settled.state === 'open') return requireMore(tx.db, requestId, settled.require);
    closeReview(tx.db, requestId, settled.state, now);
    this.notices.write(tx.db, 'review.closed', subjectOf(review), settled.state);
    if (settled.state === 'denied') {
      const denial = deniedInReview(request, fresh, settled.code, seal, config, now);
      keepDecision(tx.db, request, 2, denial.statement, fresh, set);
      tx.emit('request.denied', denial);
    } else {
      const { require, grant } = settled;
      const approval = approvedByReview(request, fresh, { require, grant, votes: votes.map(({ statement }) => statement) }, seal, config, now);
      keepDecision(tx.db, request, 2, approval.statement, fresh, set);
      tx.emit('request.approved', approval);
    }
  }
}
