import type { Command } from 'commander';
import type { ReviewAnswer } from '@writ/contracts';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { relative, type Output } from '../output.js';

interface VoteOptions { reason: string; scope?: string[]; until?: string }

/** `writ review list|show|approve|deny`. */
export function addReviewCommands(program: Command, context: () => Context): void {
  const review = program.command('review').description('Look at held requests and vote on them');
  review.command('list', { isDefault: true })
    .description('Show what waits for people')
    .option('--all', 'also what was decided')
    .action(({ all }: { all?: boolean }) => list(all ?? false, context()));
  review.command('show <requestId>')
    .description('Show one held request: what, why, who may decide, who did')
    .action(async (requestId: string) => {
      const { session, output } = context();
      const answer = await session.writ('reviewer').policy.get<ReviewAnswer>(`/v1/reviews/${requestId}`);
      output.answer(answer, () => words(output, answer));
    });
  for (const vote of ['approve', 'deny'] as const) {
    const command = review.command(`${vote} <requestId>`)
      .description(vote === 'approve' ? 'Vote for a request, or for less of it' : 'Refuse a request; one refusal decides')
      .requiredOption('--reason <text>', 'why; the requester reads it');
    if (vote === 'approve') command.option('--scope <scope...>', 'grant only these').option('--until <time>', 'let it end earlier');
    command.action((requestId: string, options: VoteOptions) => cast(vote, requestId, options, context()));
  }
}

async function list(all: boolean, { session, output }: Context): Promise<void> {
  const rows: ReviewAnswer[] = [];
  for await (const row of session.writ('reviewer').policy.pages<ReviewAnswer>('/v1/reviews', all ? {} : { status: 'open' })) rows.push(row);
  output.rows(rows, {
    request: (row) => row.requestId,
    status: (row) => row.status,
    who: (row) => `${row.requester.id} (${row.requester.team})`,
    what: (row) => `${row.scopes.join(' ')} in ${row.environment}`,
    why: (row) => row.reason,
    needs: (row) => needs(row),
    lapses: (row) => relative(row.lapsesAt),
  }, 'Nothing waits for review.');
}

async function cast(vote: 'approve' | 'deny', requestId: string, { reason, scope, until }: VoteOptions, { session, output }: Context): Promise<void> {
  const narrow = scope || until ? { ...(scope ? { scopes: scope } : {}), ...(until ? { expiresAt: until } : {}) } : undefined;
  const answer = await session.writ('reviewer').policy.post<ReviewAnswer>(`/v1/reviews/${requestId}/votes`, { body: { vote, reason, ...(narrow ? { narrow } : {}) } });
  output.answer(answer, () => words(output, answer));
  if (vote === 'approve' && answer.status === 'denied') throw new Ended(exitCodes.denied, 'The votes together leave nothing to grant.');
}

const needs = (row: ReviewAnswer) => row.require.map(({ group, remaining }) => (remaining > 0 ? `${remaining} more of ${group}` : `${group} agreed`)).join(', ');

function words(output: Output, answer: ReviewAnswer): string {
  return output.facts({
    request: answer.requestId,
    status: answer.status,
    who: `${answer.requester.id} of team ${answer.requester.team}`,
    incidents: answer.openIncidents > 0 ? `${answer.openIncidents} open, ${answer.trust}: writ alerts list --state open` : undefined,
    what: `${answer.scopes.join(' ')} on ${answer.resource} in ${answer.environment}`,
    ttl: answer.ttl,
    until: answer.expiresAt,
    why: answer.reason,
    held: answer.message,
    needs: needs(answer),
    votes: answer.votes.map(({ reviewer, vote, reason }) => `${reviewer.sub}: ${vote} (${reason})`).join('; '),
    lapses: answer.status === 'open' ? relative(answer.lapsesAt) : undefined,
    you: answer.status === 'open' && !answer.mayVote ? whyNot(answer) : undefined,
  });
}

const whyNot = ({ whyNot: code }: ReviewAnswer) => (code === 'already-voted' ? 'have voted' : `may not vote (${code ?? 'not allowed'})`);
