import type { Command } from 'commander';
import type { RequestAnswer, RequestDetails } from '@writ/contracts';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import type { Output } from '../output.js';
import { relative } from '../output.js';
import type { Session } from '../session.js';
import { seconds, waitFor } from '../wait.js';

interface RequestOptions {
  resource: string;
  scope: string[];
  env: string;
  reason: string;
  ttl?: string;
  until?: string;
  for?: string;
  sealTo?: string;
  replaces?: string;
  wait?: boolean;
  timeout: string;
}

const ends = new Set(['denied', 'cancelled', 'lapsed', 'issued', 'delivered']);

/** `writ request`, `writ requests`, `writ cancel`. */
export function addRequestCommands(program: Command, context: () => Context): void {
  program.command('request')
    .description('Ask for a token: who, why, which scopes, until when')
    .requiredOption('--resource <name>', 'what the token is for, as the catalog names it')
    .requiredOption('--scope <scope...>', 'what it may do; several may follow')
    .requiredOption('--env <environment>', 'where, such as dev or prod')
    .requiredOption('--reason <text>', 'why you need it; reviewers read this')
    .option('--ttl <duration>', 'how long from its issue: P30D, PT12H')
    .option('--until <time>', 'its end, instead of --ttl: 2026-12-31T00:00:00Z')
    .option('--for <id>', 'whom it is for, where you may speak for others; else you')
    .option('--seal-to <keyId>', 'have the secret sealed to this registered key instead of claiming it')
    .option('--replaces <tokenId>', 'the token that this one extends or narrows')
    .option('--wait', 'wait until there is an outcome')
    .option('--timeout <seconds>', 'how long --wait waits', '300')
    .action((options: RequestOptions) => request(options, context()));

  program.command('requests [requestId]')
    .description('Show your requests, or one of them')
    .option('--status <status>', 'only those with this status')
    .action((requestId: string | undefined, options: { status?: string }) => show(requestId, options, context()));

  program.command('cancel <requestId>')
    .description('Withdraw a request that was not issued yet')
    .action(async (requestId: string) => {
      const { session, output } = context();
      const answer = await session.writ('requester').request.delete<RequestAnswer>(`/v1/requests/${requestId}`);
      output.answer(answer, () => `${requestId} is cancelled`);
    });
}

async function request(options: RequestOptions, { session, output }: Context): Promise<void> {
  if ((options.ttl === undefined) === (options.until === undefined)) throw new Ended(exitCodes.usage, 'Say either --ttl or --until.', 'For example --ttl P7D.');
  const service = session.writ('requester').request;
  const body = {
    requester: { id: options.for ?? (await ownSubject(session)) },
    reason: options.reason,
    resource: options.resource,
    scopes: options.scope,
    environment: options.env,
    ...(options.ttl ? { ttl: options.ttl } : { expiresAt: options.until }),
    delivery: options.sealTo ? { mode: 'sealed', keyId: options.sealTo } : { mode: 'claim' },
    ...(options.replaces ? { replaces: options.replaces } : {}),
  };
  const accepted = await service.post<RequestAnswer>('/v1/requests', { body });
  if (!options.wait) return output.answer(accepted, () => `${accepted.requestId}  ${accepted.status}`);
  const ask = () => service.get<RequestAnswer>(`/v1/requests/${accepted.requestId}`);
  const answer = await waitFor(output, ask, ({ status }) => ends.has(status), { timeoutSeconds: seconds(options.timeout), words: ({ status }) => `${accepted.requestId} is ${status}` });
  output.answer(answer, () => words(output, answer));
  if (answer.status !== 'issued' && answer.status !== 'delivered') throw new Ended(exitCodes.denied, `The request was ${answer.status}.`);
}

/** The subject that the bearer token names. Only read, not believed: the service checks it. */
async function ownSubject(session: Session): Promise<string> {
  await session.renew();
  const payload = session.bearer('requester').split('.')[1];
  const { sub } = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString() || '{}') as { sub?: string };
  if (!sub) throw new Ended(exitCodes.usage, 'Your token does not say who you are.', 'Say --for.');
  return sub;
}

async function show(requestId: string | undefined, { status }: { status?: string }, { session, output }: Context): Promise<void> {
  const service = session.writ('requester').request;
  if (requestId) {
    const answer = await service.get<RequestDetails>(`/v1/requests/${requestId}`);
    return output.answer(answer, () => words(output, answer));
  }
  const rows: RequestDetails[] = [];
  for await (const row of service.pages<RequestDetails>('/v1/requests', { status })) rows.push(row);
  output.rows(rows, {
    request: (row) => row.requestId,
    status: (row) => row.status,
    resource: (row) => `${row.resource} (${row.environment})`,
    scopes: (row) => row.scopes.join(' '),
    asked: (row) => relative(row.submittedAt),
    token: (row) => row.tokenId ?? '',
  }, 'You have no requests.');
}

function words(output: Output, answer: RequestAnswer): string {
  const { decision } = answer;
  return output.facts({
    request: answer.requestId,
    status: answer.status,
    decision: decision && `${decision.outcome} (${decision.code})`,
    because: decision?.because.map(({ reason }) => reason).join('; '),
    needs: decision?.require?.map(({ group, approvers }) => `${approvers} of ${group}`).join(', '),
    nearest: decision?.nearest?.words,
    token: answer.tokenId,
    next: answer.tokenId && answer.status === 'issued' ? `writ claim ${answer.tokenId}` : undefined,
  });
}
