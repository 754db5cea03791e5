import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { RefusalBody, VoteBody, type AlikeReview, type ReviewAnswer } from '@writ/contracts';
import { Transactions, type Db } from '@writ/messaging';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, Clock, notFound, type Caller } from '@writ/service';
import { ActiveSets } from '../sets/active-set.store.js';
import { differences } from '../decisions/alike.js';
import { pageOf } from './page.js';
import { reviewAnswer } from './review-answer.js';
import { alikeTo, findReview, listReviews, votesOn, type Review, type StoredVote } from './review.store.js';
import { trustOf } from '../decisions/trust.store.js';
import { Voting } from './voting.store.js';

const open = ['held'] as const;
const closed = ['approved', 'denied', 'cancelled', 'lapsed'] as const;

/** Where people say yes or no to what policy does not decide by itself. */
@Controller('v1/reviews')
export class ReviewsController {
  constructor(
    private readonly transactions: Transactions<'policy'>, private readonly sets: ActiveSets, private readonly voting: Voting,
    private readonly clock: Clock,
  ) {}

  /** With `collapse=true` near-identical requests of one requester are one item that names what differs. */
  @Get()
  @Allow('reviewer', 'policy-admin', 'auditor', 'admin')
  list(@CallerOf() caller: Caller, @Query() query: Record<string, unknown>): Promise<{ items: ReviewAnswer[]; next: string | null }> {
    const { limit, cursor } = pageOf(query);
    const states = query.status === 'open' ? open : query.status === 'closed' ? closed : [...open, ...closed];
    return this.transactions.read(async (db) => {
      const collapse = query.collapse === 'true';
      const reviews = await listReviews(db, { states, collapse, limit: limit + 1, before: cursor });
      const shown = reviews.slice(0, limit);
      const votes = Map.groupBy(await votesOn(db, shown.map(({ requestId }) => requestId)), ({ requestId }) => requestId);
      const alike = collapse ? await alikeTo(db, shown.flatMap(({ alikeKey }) => alikeKey ?? [])) : [];
      const items = await Promise.all(shown.map(async (review) => ({
        ...(await this.answer(db, review, votes.get(review.requestId) ?? [], caller)),
        ...(collapse ? { alike: alikeOf(review, alike) } : {}),
      })));
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
      return this.answer(db, review, await votesOn(db, [requestId]), caller);
    });
  }

  /** Votes, once per person, with a fresh sign-in. */
  @Post(':requestId/votes')
  @HttpCode(200)
  @AllowAfterStepUp('reviewer')
  vote(@CallerOf() caller: Caller, @Param('requestId') requestId: string, @Body(bodyOf(VoteBody)) body: VoteBody): Promise<ReviewAnswer> {
    return this.cast(caller, requestId, body);
  }

  /**
   * Refuses, without a fresh sign-in: what a chat can do in a reviewer's name. A stolen chat session can be a nuisance
   * here and nothing worse; approving always takes a step-up.
   */
  @Post(':requestId/refusals')
  @HttpCode(200)
  @Allow('reviewer')
  refuse(@CallerOf() caller: Caller, @Param('requestId') requestId: string, @Body(bodyOf(RefusalBody)) { reason }: RefusalBody): Promise<ReviewAnswer> {
    return this.cast(caller, requestId, { vote: 'deny', reason });
  }

  private cast(caller: Caller, requestId: string, body: VoteBody): Promise<ReviewAnswer> {
    return this.transactions.run(async (tx) => {
      await this.voting.cast(tx, caller, requestId, body);
      return this.after(tx.db, requestId, caller);
    });
  }

  private async after(db: Db, requestId: string, caller: Caller): Promise<ReviewAnswer> {
    await db.flush();
    const review = await findReview(db, requestId);
    if (!review) throw notFound('review');
    return this.answer(db, review, await votesOn(db, [requestId]), caller);
  }

  private async answer(db: Db, review: Review, votes: readonly StoredVote[], caller: Caller): Promise<ReviewAnswer> {
    return reviewAnswer(review, votes, { viewer: caller, owners: this.ownersOf(review), trust: await trustOf(db, review.request.requester.id), now: this.clock.now() });
  }

  private ownersOf({ request }: Review): readonly string[] {
    return this.sets.latest?.catalog.requesters.get(request.requester.id)?.owners ?? [];
  }
}

function alikeOf(review: Review, all: readonly Review[]): AlikeReview[] {
  const others = all.filter(({ alikeKey, requestId }) => alikeKey === review.alikeKey && requestId !== review.requestId);
  return others.map(({ requestId, openedAt, request }) => ({ requestId, openedAt: openedAt.toISOString(), differences: differences(review.request, request) }));
}

function maySee(caller: Caller, { request }: Review): boolean {
  if (['reviewer', 'policy-admin', 'auditor', 'admin'].some((role) => caller.roles.has(role as never))) return true;
  const own = [request.claimant, request.submitter].some(({ iss, sub }) => iss === caller.iss && sub === caller.sub);
  return own || request.requester.id === caller.sub;
}
