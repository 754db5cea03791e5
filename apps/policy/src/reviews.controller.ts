import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { signStatement, VoteBody, type ReviewAnswer, type VoteClaims } from '@writ/contracts';
import { Transactions, type Db, type Tx } from '@writ/messaging';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, Clock, conflict, later, notFound, principalOf, Problem, type Caller } from '@writ/service';
import { ActiveSets } from './active-set.store.js';
import { approvedByReview, deniedInReview } from './answer.js';
import { Decisions } from './decisions.store.js';
import { mayVote, type MayNotVote } from './may-vote.js';
import { widening } from './narrowing.js';
import { pageOf } from './page.js';
import { keepDecision } from './request.store.js';
import { reviewAnswer } from './review-answer.js';
import { addVote, closeReview, findReview, listReviews, lockReview, requireMore, votesOn, type Review, type StoredVote } from './review.store.js';
import { settle } from './settle.js';

const open = ['held'] as const;
const closed = ['approved', 'denied', 'cancelled', 'lapsed'] as const;

const whyNot: Record<MayNotVote, string> = {
  'not-a-person': 'Machines do not vote.',
  'own-request': 'Nobody votes on a request they made, handed in or will claim.',
  'owner-of-requester': 'Nobody votes on a request of a service they own.',
  'not-in-a-group': 'You are in none of the groups that must agree.',
};

/** Where people say yes or no to what policy does not decide by itself. */
@Controller('v1/reviews')
export class ReviewsController {
  constructor(
    private readonly transactions: Transactions<'policy'>, private readonly sets: ActiveSets, private readonly decisions: Decisions,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Allow('reviewer', 'policy-admin', 'auditor', 'admin')
  list(@CallerOf() caller: Caller, @Query() query: Record<string, unknown>): Promise<{ items: ReviewAnswer[]; next: string | null }> {
    const { limit, cursor } = pageOf(query);
    const states = query.status === 'open' ? open : query.status === 'closed' ? closed : [...open, ...closed];
    return this.transactions.read(async (db) => {
      const reviews = await listReviews(db, { states, limit: limit + 1, before: cursor });
      const shown = reviews.slice(0, limit);
      const votes = Map.groupBy(await votesOn(db, shown.map(({ requestId }) => requestId)), ({ requestId }) => requestId);
      const items = shown.map((review) => this.answer(review, votes.get(review.requestId) ?? [], caller));
      return { items, next: reviews.length > limit ? (shown.at(-1)?.requestId ?? null) : null };
    });
  }

  /** Requesters see their own, with who can approve; a stranger sees nothing. */
  @Get(':requestId')
  @Allow()
  one(@CallerOf() caller: Caller, @Param('requestId') requestId: string): Promise<ReviewAnswer> {
    return this.transactions.read(async (db) => {
      const review = await findReview(db, requestId);
      if (!review || !maySee(caller, review)) throw notFound('review');
      return this.answer(review, await votesOn(db, [requestId]), caller);
    });
  }

  /**
   * Votes, once per person. The vote is signed here, in memory, at the authenticated act, over the digest of exactly
   * what was asked. Races with a withdrawal or a lapse are decided by whoever locks the request first.
   */
  @Post(':requestId/votes')
  @HttpCode(200)
  @AllowAfterStepUp('reviewer')
  vote(@CallerOf() caller: Caller, @Param('requestId') requestId: string, @Body(bodyOf(VoteBody)) body: VoteBody): Promise<ReviewAnswer> {
    return this.transactions.run(async (tx) => {
      const set = await this.sets.of(tx.db);
      if (!set) throw later('No policy set can decide at the moment, so no vote counts.', 5);
      const review = await lockReview(tx.db, requestId);
      if (!review) throw notFound('review');
      this.check(review, caller, body);
      const vote = this.signed(review, caller, body);
      if (!(await addVote(tx.db, vote))) throw conflict('already-voted', 'You voted on this request before; a vote stands.');
      const { reviewer, reason, narrow, statement } = vote;
      tx.emit('review.recorded', { requestId: review.requestId, requestDigest: review.requestDigest, reviewer, vote: vote.vote, reason, narrow, statement });
      await this.close(tx, review);
      return this.after(tx.db, requestId, caller);
    });
  }

  private check(review: Review, caller: Caller, { vote, narrow }: VoteBody): void {
    if (review.state === 'cancelled') throw conflict('request-cancelled', 'The requester withdrew this request.');
    if (review.state === 'lapsed' || (review.state === 'held' && review.overdue)) throw conflict('request-lapsed', 'The time for this review has passed.');
    if (review.state !== 'held') throw conflict('already-decided', `This request is ${review.state}.`);
    const may = mayVote(caller, review.request, this.ownersOf(review), review.require);
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
  private async close(tx: Tx<'policy'>, review: Review): Promise<void> {
    const { requestId, request } = review;
    const set = await this.sets.of(tx.db);
    if (!set) throw later('No policy set can decide at the moment, so no vote counts.', 5);
    const votes = await votesOn(tx.db, [requestId]);
    const fresh = await this.decisions.decide(tx.db, set, request);
    const now = this.clock.now();
    const { key, config } = this.decisions;
    const settled = settle({ request, votes, require: review.require, obligations: review.decision.obligations, fresh, now });
    if (settled.state === 'open') return requireMore(tx.db, requestId, settled.require);
    closeReview(tx.db, requestId, settled.state, now);
    if (settled.state === 'denied') {
      const denial = deniedInReview(request, fresh, settled.code, key, config, now);
      keepDecision(tx.db, request, 2, denial.statement, fresh, set);
      tx.emit('request.denied', denial);
    } else {
      const { require, grant } = settled;
      const approval = approvedByReview(request, fresh, { require, grant, votes: votes.map(({ statement }) => statement) }, key, config, now);
      keepDecision(tx.db, request, 2, approval.statement, fresh, set);
      tx.emit('request.approved', approval);
    }
  }

  private async after(db: Db, requestId: string, caller: Caller): Promise<ReviewAnswer> {
    await db.flush();
    const review = await findReview(db, requestId);
    if (!review) throw notFound('review');
    return this.answer(review, await votesOn(db, [requestId]), caller);
  }

  private answer(review: Review, votes: readonly StoredVote[], caller: Caller): ReviewAnswer {
    return reviewAnswer(review, votes, caller, this.ownersOf(review), this.clock.now());
  }

  private ownersOf({ request }: Review): readonly string[] {
    return this.sets.latest?.catalog.requesters.get(request.requester.id)?.owners ?? [];
  }
}

function maySee(caller: Caller, { request }: Review): boolean {
  if (['reviewer', 'policy-admin', 'auditor', 'admin'].some((role) => caller.roles.has(role as never))) return true;
  const own = [request.claimant, request.submitter].some(({ iss, sub }) => iss === caller.iss && sub === caller.sub);
  return own || request.requester.id === caller.sub;
}
