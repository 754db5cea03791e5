import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { basic, UnreachableError } from '@writ/client';
import type { ClaimedSecret, StopAnswer, TimelineEntry, TokenView, UsageSummary, Verification } from '@writ/contracts';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { firstOf, painted, relative } from '../output.js';

const mostListed = 1_000;
const ended: ReadonlySet<TokenView['state']> = new Set(['revoked', 'expired']);
const usesAtOnce = 100;

/** `writ claim|verify|tokens|timeline|revoke|suspend|resume|transfer|reinstate`. */
export function addTokenCommands(program: Command, context: () => Context): void {
  program.command('claim <tokenId>')
    .description('Fetch the secret; it is shown once, on stdout')
    .option('--rotation <rotationId>', 'the successor that this rotation made')
    .option('--key <key>', 'idempotency key: repeat with the same one within a minute if the answer was lost')
    .action((tokenId: string, options: { rotation?: string; key?: string }) => claim(tokenId, options, context()));
  program.command('verify [token]')
    .description('Check a secret as a gateway does; read from stdin when it is not given, which keeps it out of the shell’s history')
    .option('--scope <scope...>', 'scopes that it must have')
    .option('--audience <name>', 'which of the gateway’s audiences')
    .action((token: string | undefined, options: { scope?: string[]; audience?: string }) => verify(token, options, context()));
  program.command('tokens [tokenId]')
    .description('Show your tokens, or one of them')
    .action((tokenId: string | undefined) => tokens(tokenId, context()));
  program.command('timeline <tokenId>')
    .description('Show a token’s whole life')
    .action((tokenId: string) => timeline(tokenId, context()));
  for (const act of ['revoke', 'suspend', 'resume'] as const) {
    const command = program.command(`${act} <tokenId>`)
      .description({ revoke: 'Stop a token for ever', suspend: 'Stop a token until it is resumed', resume: 'Let a suspended token go on' }[act])
      .requiredOption('--reason <text>', 'why; it goes into the audit log');
    if (act !== 'resume') command.option('--wait-fleet', 'return when every verifier has applied it or can no longer say yes');
    command.action((tokenId: string, options: { reason: string; waitFleet?: boolean }) => stop(act, tokenId, options, context()));
  }
  program.command('transfer <tokenId>')
    .description('Take over a token whose owner left; an administrator may give it to somebody of its team')
    .option('--to <subject>', 'the new owner, instead of you')
    .requiredOption('--reason <text>', 'why; it goes into the audit log')
    .action((tokenId: string, options: { to?: string; reason: string }) => transfer(tokenId, options, context()));
  program.command('reinstate <ownerId>')
    .description('Have an owner back who had left, so that they may ask for tokens again; for administrators')
    .action(async (ownerId: string) => {
      const { session, output } = context();
      const answer = await session.writ('admin').issuer.post<{ ownerId: string }>(`/v1/owners/${encodeURIComponent(ownerId)}/reinstate`);
      output.answer(answer, () => `${answer.ownerId} may ask for tokens again; nothing of what ended comes back.`);
    });
}

/** A claim whose answer is lost can be made again with the same key, which the error names. */
export async function claim(tokenId: string, { rotation, key = randomUUID() }: { rotation?: string; key?: string }, { session, output }: Context): Promise<void> {
  const body = rotation ? { rotationId: rotation } : {};
  const claimed = await session.writ('requester').issuer.post<ClaimedSecret>(`/v1/tokens/${tokenId}/claim`, { body, idempotencyKey: key }).catch((error: unknown) => {
    if (!(error instanceof UnreachableError)) throw error;
    throw new Ended(exitCodes.tryAgain, `${error.message} The secret may be made and its answer lost.`, `Within a minute: writ claim ${tokenId}${rotation ? ` --rotation ${rotation}` : ''} --key ${key}`);
  });
  if (!output.json) output.say(`${tokenId}, valid until ${claimed.expiresAt}. This is the only time you see it:`);
  output.answer(claimed, () => claimed.secret);
}

async function verify(token: string | undefined, { scope, audience }: { scope?: string[]; audience?: string }, { session, output }: Context): Promise<void> {
  const secret = token ?? (await readStdin());
  const gateway = session.gateway(basic(session.variable('WRIT_GATEWAY_CLIENT_ID'), session.variable('WRIT_GATEWAY_CLIENT_SECRET')));
  const answer = await gateway.issuer.post<Verification>('/v1/tokens/verify', { body: { token: secret, ...(scope ? { scopes: scope } : {}), ...(audience ? { audience } : {}) } });
  output.answer(answer, () => output.facts({
    answer: painted(answer.valid ? 'good' : 'bad', answer.code),
    token: answer.tokenId,
    owner: answer.owner,
    scopes: answer.scopes?.join(' '),
    audience: answer.audience,
    expires: answer.expiresAt && `${answer.expiresAt} (${relative(answer.expiresAt)})`,
    'as of': `${answer.asOf}, entry ${answer.seq}, at most ${answer.maxStalenessMs} ms old`,
  }));
  if (!answer.valid) throw new Ended(answer.code === 'RATE_LIMITED' || answer.code === 'STALE' ? exitCodes.tryAgain : exitCodes.denied, `The token is not valid: ${answer.code}.`);
}

async function readStdin(): Promise<string> {
  let text = '';
  if (!process.stdin.isTTY) for await (const part of process.stdin) text += String(part);
  if (text.trim() === '') throw new Ended(exitCodes.usage, 'Give the token as an argument, or on stdin.', 'For example: writ claim tok_… | writ verify');
  return text.trim();
}

/** How each token is used, as far as the monitor answers: without it the list is shorter, not gone. */
async function usesOf(ids: readonly string[], { session, output }: Context): Promise<Map<string, UsageSummary>> {
  const uses = new Map<string, UsageSummary>();
  try {
    for (let at = 0; at < ids.length; at += usesAtOnce) {
      const { items } = await session.writ('requester').monitor.get<{ items: UsageSummary[] }>('/v1/usage', { query: { tokens: ids.slice(at, at + usesAtOnce).join(',') } });
      for (const item of items) uses.set(item.tokenId, item);
    }
  } catch (error) {
    output.say(`The monitor does not say how they are used: ${error instanceof Error ? error.message : String(error)}`);
  }
  return uses;
}

async function tokens(tokenId: string | undefined, context: Context): Promise<void> {
  const { session, output } = context;
  const { issuer } = session.writ('requester');
  if (tokenId) {
    const view = await issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
    const uses = (await usesOf([tokenId], context)).get(tokenId);
    return output.answer({ ...view, uses }, () => output.facts({
      token: view.tokenId, state: view.state, owner: `${view.owner.id} (${view.owner.team})`, scopes: `${view.scopes.join(' ')} on ${view.resource} in ${view.environment}`,
      uses: uses && `${uses.words}${uses.unused.length > 0 ? `; unused: ${uses.unused.join(' ')}` : ''}`,
      expires: `${view.expiresAt} (${relative(view.expiresAt)})`, 'last used': view.lastUsedAt && relative(view.lastUsedAt), secrets: view.generations.map(({ generation, state }) => `#${generation} ${state}`).join(', '),
    }));
  }
  const rows = await firstOf(issuer.pages<TokenView>('/v1/tokens'), mostListed);
  const uses = await usesOf(rows.map((row) => row.tokenId), context);
  output.rows(rows.map((row) => ({ ...row, uses: uses.get(row.tokenId) })), {
    token: (row) => row.tokenId, state: (row) => row.state, owner: (row) => row.owner.id, what: (row) => `${row.scopes.join(' ')} in ${row.environment}`,
    expires: (row) => (ended.has(row.state) ? '' : relative(row.expiresAt)), used: (row) => (row.lastUsedAt ? relative(row.lastUsedAt) : 'never'), uses: (row) => row.uses?.words.replace('uses ', '') ?? '',
  }, 'You have no tokens.');
}

async function timeline(tokenId: string, { session, output }: Context): Promise<void> {
  const { items } = await session.writ('requester').issuer.get<{ items: TimelineEntry[] }>(`/v1/tokens/${tokenId}/timeline`);
  output.rows(items, {
    at: (row) => row.at, what: (row) => row.what, why: (row) => row.code ?? '', by: (row) => row.by?.principal?.sub ?? row.by?.kind ?? '',
    about: aboutStep,
  }, 'Nothing happened to this token.');
}

function aboutStep({ from, to, endsAt, generation }: TimelineEntry): string {
  if (to !== undefined) return `${from ?? '?'} → ${to}`;
  if (endsAt !== undefined) return `${from ?? '?'} left; offered until ${endsAt}`;
  return generation === undefined ? '' : `secret #${generation}`;
}

async function stop(act: 'revoke' | 'suspend' | 'resume', tokenId: string, { reason, waitFleet }: { reason: string; waitFleet?: boolean }, { session, output }: Context): Promise<void> {
  const answer = await session.writ('requester').issuer.post<StopAnswer>(`/v1/tokens/${tokenId}/${act}`, { body: { reason }, query: { wait: waitFleet ? 'fleet' : undefined } });
  const receipts = answer.receipts?.map(({ name, outcome, latencyMs }) => `${name} ${outcome} after ${Math.round(latencyMs)} ms`).join(', ');
  output.answer(answer, () => output.facts({ token: tokenId, state: answer.state, entry: String(answer.seq), verifiers: answer.receipts && (receipts || 'none are registered') }));
}

async function transfer(tokenId: string, { to, reason }: { to?: string; reason: string }, { session, output }: Context): Promise<void> {
  const answer = await session.writ('requester').issuer.post<StopAnswer>(`/v1/tokens/${tokenId}/transfer`, { body: { reason, ...(to ? { to } : {}) } });
  output.answer(answer, () => output.facts({ token: tokenId, state: answer.state, entry: String(answer.seq) }));
}
