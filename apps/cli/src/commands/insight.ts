import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { Http } from '@writ/client';
import type { AlertView, Forecast, Gateway, GatewayCredentials, RenewedGatewayCredentials, UpstreamRegistration, UsageView } from '@writ/contracts';
import { parse } from '@writ/token';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { firstOf, painted, relative } from '../output.js';
import { wholeNumber } from '../wait.js';

/** `writ forecast|alerts|usage|burn|upstreams|gateways`. */
export function addInsightCommands(program: Command, context: () => Context): void {
  program.command('forecast')
    .description('Show what will be due: rotations, expiries, secrets to fetch and requests to review')
    .option('--hours', 'by the hour instead of by the day')
    .option('--count <n>', 'how many hours or days', '14')
    .option('--all', 'also those in which nothing is due')
    .action((options: { hours?: boolean; count: string; all?: boolean }) => forecast(options, context()));
  const alerts = program.command('alerts').description('See what the monitor noticed, and answer it');
  alerts.command('list', { isDefault: true })
    .description('Show alerts, newest first')
    .option('--token <tokenId>', 'of this token')
    .option('--state <state>', 'open, dismissed or closed')
    .option('--limit <n>', 'at the most', '50')
    .action((options: { token?: string; state?: string; limit: string }) => listAlerts(options, context()));
  alerts.command('dismiss <alertId>')
    .description('Say that it was you; writ resume says so too, of a token that was stopped')
    .requiredOption('--reason <text>', 'why it is no misuse')
    .action(async (alertId: string, { reason }: { reason: string }) => {
      const { session, output } = context();
      const answer = await session.writ('requester').monitor.post<AlertView>(`/v1/alerts/${alertId}/dismiss`, { body: { reason } });
      output.answer(answer, () => output.facts({ alert: answer.alertId, token: answer.tokenId, state: answer.state }));
    });
  program.command('usage <tokenId>')
    .description('Show how a token is used: how often, from where, which of its scopes')
    .option('--span <span>', 'minute, hour or day', 'hour')
    .action((tokenId: string, options: { span: string }) => usage(tokenId, options, context()));
  program.command('burn [token]')
    .description('End the token of a secret that somebody found; having it is proof enough. Read from stdin when it is not given')
    .action((token: string | undefined) => burn(token, context()));
  addRegistryCommands(program, context);
}

function addRegistryCommands(program: Command, context: () => Context): void {
  program.command('upstreams')
    .description('Show which systems may request tokens, and for whom')
    .action(async () => {
      const { session, output } = context();
      const { items } = await session.writ('admin').request.get<{ items: UpstreamRegistration[] }>('/v1/upstreams');
      output.rows(items, {
        upstream: ({ name }) => name, 'speaks for': ({ requesters }) => requesters.join(' '),
        teams: ({ teams }) => teams.map(({ team, environments }) => `${team} (${environments.join(', ')})`).join(', '), claims: ({ mayClaim }) => (mayClaim ? 'itself' : 'the requester'),
      }, 'No upstream is registered.');
    });
  const gateways = program.command('gateways').description('Show or register who verifies tokens');
  gateways.command('list', { isDefault: true }).description('Show the gateways').action(async () => {
    const { session, output } = context();
    const { items } = await session.writ('admin').issuer.get<{ items: Gateway[] }>('/v1/gateways');
    output.rows(items, {
      gateway: ({ name }) => name, 'client id': ({ clientId }) => clientId, audiences: ({ audiences }) => audiences.join(' '), broker: ({ brokerUser }) => brokerUser ?? '', since: ({ createdAt }) => relative(createdAt),
    }, 'No gateway is registered.');
  });
  gateways.command('register <name>')
    .description('Register a gateway; its secret is shown once, on stdout')
    .requiredOption('--audience <name...>', 'the resources whose tokens it may verify')
    .option('--broker-user <name>', 'the broker’s user that it asks over AMQP as')
    .action(async (name: string, { audience, brokerUser }: { audience: string[]; brokerUser?: string }) => {
      const { session, output } = context();
      const answer = await session.writ('admin').issuer.post<GatewayCredentials>('/v1/gateways', { body: { name, audiences: audience, ...(brokerUser ? { brokerUser } : {}) } });
      if (!output.json) output.say(`${answer.clientId}. This is the only time you see its secret:`);
      output.answer(answer, () => answer.clientSecret);
    });
  gateways.command('renew <name>')
    .description('Give a gateway a new secret, shown once, on stdout')
    .option('--overlap <duration>', 'how long the old one works on, say PT24H; without it, it ends now')
    .action(async (name: string, { overlap }: { overlap?: string }) => {
      const { session, output } = context();
      const answer = await session.writ('admin').issuer.post<RenewedGatewayCredentials>(`/v1/gateways/${encodeURIComponent(name)}/secret`, { body: overlap ? { overlap } : {} });
      if (!output.json) output.say(`${answer.clientId}. The old secret works until ${answer.previousEndsAt}. This is the only time you see the new one:`);
      output.answer(answer, () => answer.clientSecret);
    });
}

async function forecast({ hours, count, all }: { hours?: boolean; count: string; all?: boolean }, { session, output }: Context): Promise<void> {
  const answer = await session.writ('requester').rotation.get<Forecast>('/v1/forecast', { query: { bucket: hours ? 'PT1H' : 'P1D', count: wholeNumber(count) } });
  if (output.json) return output.answer(answer, () => '');
  const number = (each: number) => (each === 0 ? '·' : each.toLocaleString('en')).padStart(9);
  output.rows(answer.buckets.filter(({ rotations, expiries, claims }) => all || rotations + expiries + claims > 0), {
    from: ({ from }) => (hours ? from.slice(0, 16).replace('T', ' ') : from.slice(0, 10)),
    rotations: (row) => number(row.rotations), ' expiries': (row) => number(row.expiries), '   claims': (row) => number(row.claims), '  reviews': (row) => number(row.reviews),
  }, `Nothing is due within ${count} ${hours ? 'hours' : 'days'}.`);
  if (answer.truncated) output.say('More is due than was counted: what lies farthest ahead is missing.');
}

async function listAlerts({ limit, ...query }: { token?: string; state?: string; limit: string }, { session, output }: Context): Promise<void> {
  const rows = await firstOf(session.writ('requester').monitor.pages<AlertView>('/v1/alerts', query), wholeNumber(limit));
  if (output.json || rows.length === 0) return output.rows(rows, {}, 'Nothing was noticed.');
  output.print(rows.map(({ alertId, tokenId, owner, detector, action, explanation, observedAt, state, stop, blocked }) => output.facts({
    alert: alertId, token: `${tokenId}${owner ? ` of ${owner.id}` : ''}`, noticed: `${relative(observedAt)}, by ${detector}`,
    did: painted(action === 'suspend' || action === 'revoke' ? 'bad' : 'mild', action), state, why: explanation,
    'not stopped': blocked && painted('bad', `the token lives: ${blocked.code}, ${relative(blocked.at)}`),
    'refused everywhere': stop && `after ${(stop.afterMs / 1_000).toFixed(1)} s: ${stop.acknowledged} verifiers applied it, ${stop.fenced} ran out of their lease`,
  })).join('\n\n'));
}

async function usage(tokenId: string, { span }: { span: string }, { session, output }: Context): Promise<void> {
  const view = await session.writ('requester').monitor.get<UsageView>(`/v1/usage/${tokenId}`, { query: { span } });
  const listed = (sources: UsageView['networks']) => sources.map(({ value, lastAt }) => `${value} (${relative(lastAt)})`).join(', ');
  output.answer(view, () => output.facts({
    token: view.tokenId,
    'last used': view.lastUsedAt ? relative(view.lastUsedAt) : 'never',
    scopes: `${view.scopes.words}${view.scopes.unused.length > 0 ? `; unused: ${view.scopes.unused.join(' ')}` : ''}`,
    networks: listed(view.networks), agents: listed(view.agents), gateways: listed(view.gateways),
  }));
  if (output.json || view.buckets.length === 0) return;
  output.print('');
  output.rows(view.buckets, {
    from: ({ at }) => at.slice(0, 16).replace('T', ' '), calls: ({ calls }) => calls.toLocaleString('en').padStart(5),
    answers: ({ codes }) => Object.entries(codes).map(([code, count]) => `${code} ${count.toLocaleString('en')}`).join(', '),
  }, '');
}

/** Checked here first: what is no secret at all would be answered just the same, and whoever mistyped would never know. */
async function burn(token: string | undefined, { session, output }: Context): Promise<void> {
  if (token === undefined && process.stdin.isTTY) throw new Ended(exitCodes.usage, 'Give the secret as an argument, or on stdin.', 'Stdin keeps it out of the shell’s history.');
  const secret = (token ?? readFileSync(0, 'utf8')).trim();
  if (!parse(secret).ok) throw new Ended(exitCodes.usage, 'This is no secret of this platform, or it is damaged.', 'A secret is writ_<environment>_ and 49 letters and digits, the last six a checksum.');
  await new Http(session.variable('WRIT_ISSUER_URL'), undefined).post('/v1/burn', { body: { token: secret } });
  output.answer({ burnt: true }, () => 'Burnt. If a token had this secret, it ends within seconds.');
}
