import type { Command } from 'commander';
import type { RequestAnswer, RequestDetails, TokenView, UsageView } from '@writ/contracts';
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

interface ExtendOptions {
  ttl?: string;
  until?: string;
  reason?: string;
  wait?: boolean;
  timeout: string;
}

const ends = new Set(['denied', 'cancelled', 'lapsed', 'issued', 'delivered']);

/** `writ request`, `writ requests`, `writ narrow`, `writ extend`, `writ cancel`. */
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

  program.command('narrow <tokenId>')
    .description('Ask for a smaller token in its place: only the scopes that it uses, until the same end')
    .option('--wait', 'wait until there is an outcome')
    .option('--timeout <seconds>', 'how long --wait waits', '300')
    .action((tokenId: string, options: { wait?: boolean; timeout: string }) => narrow(tokenId, options, context()));

  program.command('extend <tokenId>')
    .description('Ask for the same token with a later end, in its place')
    .option('--ttl <duration>', 'how long from its issue: P30D, PT12H')
    .option('--until <time>', 'its end, instead of --ttl: 2026-12-31T00:00:00Z')
    .option('--reason <text>', 'why you still need it; reviewers read this')
    .option('--wait', 'wait until there is an outcome')
    .option('--timeout <seconds>', 'how long --wait waits', '300')
    .action((tokenId: string, options: ExtendOptions) => extend(tokenId, options, context()));

  program.command('cancel <requestId>')
    .description('Withdraw a request that was not issued yet')
    .action(async (requestId: string) => {
      const { session, output } = context();
      const answer = await session.writ('requester').request.delete<RequestAnswer>(`/v1/requests/${requestId}`);
      output.answer(answer, () => `${requestId} is cancelled`);
    });
}

async function request(options: RequestOptions, { session, output }: Context): Promise<void> {
  const body = {
    requester: { id: options.for ?? (await ownSubject(session)) },
    reason: options.reason,
    resource: options.resource,
    scopes: options.scope,
    environment: options.env,
    ...endOf(options),
    delivery: options.sealTo ? { mode: 'sealed', keyId: options.sealTo } : { mode: 'claim' },
    ...(options.replaces ? { replaces: options.replaces } : {}),
  };
  await submit(body, options, { session, output });
}

function endOf({ ttl, until }: { ttl?: string; until?: string }): { ttl?: string; expiresAt?: string } {
  if ((ttl === undefined) === (until === undefined)) throw new Ended(exitCodes.usage, 'Say either --ttl or --until.', 'For example --ttl P7D.');
  return ttl === undefined ? { expiresAt: until } : { ttl };
}

/** Nothing is extended silently: a new request with the old token as its template, decided like any other; the old one ends once the new one is in use. */
async function extend(tokenId: string, options: ExtendOptions, context: Context): Promise<void> {
  const end = endOf(options);
  const { owner, resource, scopes, environment, delivery } = await context.session.writ('requester').issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
  await submit({
    requester: { id: owner.id }, reason: options.reason ?? `extending ${tokenId}`, resource, scopes, environment, ...end, delivery, replaces: tokenId,
  }, options, context);
}

/** Whoever agreed to more has agreed to less: policy may approve it without anybody, and the old token ends once the new one is in use. */
async function narrow(tokenId: string, options: { wait?: boolean; timeout: string }, context: Context): Promise<void> {
  const writ = context.session.writ('requester');
  const [token, usage] = [await writ.issuer.get<TokenView>(`/v1/tokens/${tokenId}`), await writ.monitor.get<UsageView>(`/v1/usage/${tokenId}`)];
  if (usage.scopes.used.length === 0) throw new Ended(exitCodes.conflict, 'The token was never used, so nothing says which of its scopes it needs.', 'If nobody needs it: writ revoke.');
  if (!usage.narrowing) throw new Ended(exitCodes.conflict, `The token ${usage.scopes.words}: nothing is known to be spare.`, 'A scope is once it was not used for a month, unless a gateway lets the token pass without naming scopes.');
  await submit({
    requester: { id: token.owner.id }, reason: `narrowing: ${usage.scopes.words}`, resource: token.resource, scopes: usage.narrowing.keep, environment: token.environment, expiresAt: token.expiresAt,
    delivery: { mode: 'claim' }, replaces: tokenId,
  }, options, context);
}

async function submit(body: object, options: { wait?: boolean; timeout: string }, { session, output }: Context): Promise<void> {
  const service = session.writ('requester').request;
  const accepted = await service.post<RequestAnswer>('/v1/requests', { body });
  if (!options.wait) return output.answer(accepted, () => `${accepted.requestId}  ${accepted.status}`);
  const ask = () => service.get<RequestAnswer>(`/v1/requests/${accepted.requestId}`);
  // The news that a token was issued may come before the news that policy said yes.
  const hasEnded = ({ status, decision }: RequestAnswer) => ends.has(status) && (decision !== undefined || status === 'cancelled');
  const answer = await waitFor(output, ask, hasEnded, { timeoutSeconds: seconds(options.timeout), words: ({ status }) => `${accepted.requestId} is ${status}` });
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
