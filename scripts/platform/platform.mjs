import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBacking, stopBacking } from '../backing/backing.mjs';
import { Problem } from '../backing/problem.mjs';
import { isAlive } from '../backing/processes.mjs';
import { build, runNode } from './build.mjs';
import { databaseName, ownerName, provisionDatabases } from './databases.mjs';
import { developmentGateway, developmentUpstream, layoutOf, makeFolders, passwordsOf, root, writeClients, writePrivately } from './installation.mjs';
import { createKeys, initialiseSigner } from './keys.mjs';
import { choosePorts } from './ports.mjs';
import { seed } from './seed.mjs';
import { identitySystems, processes, processOf, withDatabase } from './services.mjs';
import { createSupervisor, endRecorded, readPlatform } from './supervisor.mjs';
import { useTls } from './tls.mjs';

const migrateWithinMs = 180_000;

/**
 * Brings up the whole platform in `dir` and answers when every process is ready and the development data is in place.
 * A failure ends what had been started.
 *
 * @param {{dir: string, name: string, reporter: object, wellKnown?: boolean, fresh?: boolean, tls?: boolean, replicas?: Record<string, number>, answering?: string[], longestPauseMs?: number, clockSkewMs?: Record<string, number>}} options
 *   `wellKnown` takes the default ports where they are free; `fresh` begins with empty data and ends with none, on servers
 *   of its own;
 *   with `tls` every server and service answers over TLS alone, with certificates made for it;
 *   `replicas` says how many of a service run, and `answering` of which one more runs that only answers; what ends by itself starts again after
 *   `longestPauseMs` at the latest, where that is given; `clockSkewMs` says by how much a service's clock is wrong.
 */
export async function startPlatform({ dir, name, reporter, wellKnown = false, fresh = false, tls: encrypted = false, replicas = {}, answering = [], longestPauseMs, clockSkewMs }) {
  const layout = layoutOf(dir);
  refuseSecond(layout);
  if (fresh) for (const name of ['logs', 'keys', 'trust', 'people', 'state']) rmSync(join(layout.dir, name), { recursive: true, force: true });
  makeFolders(layout);
  let supervisor;
  const stop = async () => {
    await supervisor?.stop();
    await stopBacking(layout.backing);
  };
  try {
    await endRecorded(layout);
    const tls = encrypted ? await reporter.step('certificates', () => ({ ...useTls(layout), summary: `an authority for this installation alone: ${layout.certificates}` })) : undefined;
    const backing = await reporter.step('backing services', async ({ note }) => ({
      ...await startBacking({ dir: layout.backing, name, fresh, own: fresh, tls, log: note }), summary: 'PostgreSQL, RabbitMQ and Redis are ready',
    }));
    await reporter.step('build', async () => { await build(); return 'up to date'; });
    const { ports, moved } = await choosePorts({ wellKnown });
    // Compiled by the step before, so not to be imported any earlier.
    const { factsOf } = await import('./facts.mjs');
    const facts = factsOf({ layout, ports, backing, passwords: passwordsOf(layout), logLevel: process.env.WRIT_LOG_LEVEL ?? 'info', tls });
    const logKey = await provision({ layout, facts, backing, reporter });
    supervisor = createSupervisor({ layout, facts, log: reporter.line, longestPauseMs, clockSkewMs });
    await startProcesses(supervisor, { reporter, moved: wellKnown ? moved : [], ports, replicas, answering });
    const env = await reporter.step('development data', async () => {
      const seeded = await seed({ urls: urlsOf(facts), tokens: JSON.parse(readFileSync(layout.tokensFile, 'utf8')), gatewayFile: layout.gatewayFile });
      const variables = environmentFor(facts, { ...seeded, logKey });
      writePrivately(layout.envFile, Object.entries(variables).map(([key, value]) => `${key}=${value}\n`).join(''));
      return { variables, summary: 'sample policy set active; upstream and gateway registered' };
    });
    return { env: env.variables, layout, facts, supervisor, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Ends everything recorded for `dir`, whoever started it. Answers whether something ran. */
export async function stopPlatform(dir) {
  const layout = layoutOf(dir);
  const ran = readPlatform(layout)?.processes.some(isAlive) ?? false;
  await endRecorded(layout);
  await stopBacking(layout.backing);
  return ran;
}

function refuseSecond(layout) {
  const owner = readPlatform(layout)?.owner;
  if (owner?.pid !== process.pid && isAlive(owner)) throw new Problem(`Writ already runs here (process ${owner.pid}); its addresses are in ${layout.envFile}.`, 'To start anew, end it first: npm stop');
}

/** Broker, keys and databases. Answers the verifier key of the audit log. */
async function provision({ layout, facts, backing, reporter }) {
  const passwords = passwordsOf(layout);
  await reporter.step('broker', async () => {
    const { brokerCommands, brokerPlan, isProvisioned, provisionBroker } = await import('./broker.mjs');
    const plan = brokerPlan({ passwords, upstreams: [developmentUpstream], gateways: [developmentGateway], identitySystems });
    if (backing.amqpManagementUrl === undefined) {
      if (await isProvisioned(backing.amqpUrl, plan)) return 'already provisioned by its operator';
      throw leftToOperator(brokerCommands(plan), layout);
    }
    const { guestStays } = await provisionBroker(backing.amqpManagementUrl, plan);
    return `${plan.users.length} users, each with its own rights${guestStays ? '; its administrator is guest, whose password everybody knows' : ''}`;
  });
  const { logKey } = await reporter.step('keys', async () => {
    createKeys(layout);
    writeClients(layout, passwords, facts.consoleUrl);
    return { logKey: await initialiseSigner(facts), summary: 'one folder per service; public ones in the trust file' };
  });
  await reporter.step('databases', async ({ note }) => {
    await provisionDatabases({
      superuserUrl: backing.postgresUrl,
      services: withDatabase.map((service) => ({ name: service, password: passwords(databaseName(service)), ownerPassword: passwords(ownerName(service)) })),
    });
    note('migrating');
    await migrate(facts.migrationUrl, facts.plainHosts);
    return `${withDatabase.length} databases, migrated`;
  });
  return logKey;
}

/** Brings the tables of every service up to date, each under the role that owns them. `plainHosts` may be spoken to in plain text. */
export async function migrate(urlOf, plainHosts = '') {
  const urls = Object.fromEntries(withDatabase.map((service) => [service, urlOf(service)]));
  const { code, output } = await runNode([join(root, 'scripts/platform/migrate.mjs')], { env: { PATH: process.env.PATH, NODE_EXTRA_CA_CERTS: process.env.NODE_EXTRA_CA_CERTS, WRIT_PLAIN_HOSTS: plainHosts, WRIT_MIGRATIONS: JSON.stringify(urls) }, timeoutMs: migrateWithinMs });
  if (code !== 0) throw new Problem('The databases could not be migrated.', `This is what was said:\n${output.trim().replace(/^/gm, '    ')}`);
}

function leftToOperator(commands, layout) {
  const file = join(layout.dir, 'broker-commands.sh');
  writeFileSync(file, `#!/bin/sh\nset -eu\n${commands.join('\n')}\n`, { mode: 0o700 });
  return new Problem('The given broker does not have the users and queues yet, and there are no management credentials to make them with.', `Set WRIT_BACKING_AMQP_MANAGEMENT_URL, or have the broker's operator run ${file}; then start again.`);
}

async function startProcesses(supervisor, { reporter, moved, ports, replicas, answering }) {
  await reporter.step('services', async ({ note }) => {
    // People must be able to prove who they are before anybody asks.
    for (const first of ['identity', 'signer']) { note(first); await supervisor.start(processOf(first)); }
    const rest = processes.filter(({ name }) => !['identity', 'signer'].includes(name));
    note(rest.map(({ name }) => name).join(', '));
    await all(rest.map((definition) => supervisor.start(definition)));
    const another = async (name, suffix, more) => supervisor.start(processOf(name), { name: `${name}-${suffix}`, port: (await choosePorts({ wellKnown: false })).ports[name], more });
    for (const [name, count] of Object.entries(replicas)) for (let n = 2; n <= count; n += 1) await another(name, n);
    for (const name of answering) await another(name, 'answers', { WRIT_DUTIES: 'answers' });
    return `${supervisor.names().length} processes ready`;
  });
  if (moved.length > 0) reporter.line(`    the usual ports were taken, so these listen elsewhere: ${moved.map((name) => `${name} ${ports[name]}`).join(', ')}`);
}

/** Waits for every one, also after a failure: only then does nothing start any more while the rest is being ended. */
async function all(promises) {
  const failed = (await Promise.allSettled(promises)).find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
}

const urlsOf = ({ scheme, host, ports }) => Object.fromEntries(Object.entries(ports).map(([name, port]) => [name, `${scheme}://${host}:${port}`]));

/** The contents of the env file: what a person, a script or a test needs to use this installation. */
function environmentFor(facts, { gateway, tokens, logKey }) {
  const urls = urlsOf(facts);
  return {
    WRIT_AMQP_URL: facts.upstreamUrl,
    ...Object.fromEntries(withDatabase.map((name) => [`WRIT_${name.toUpperCase()}_URL`, urls[name]])),
    WRIT_CONSOLE_URL: facts.consoleUrl,
    WRIT_OIDC_ISSUER: facts.oidcIssuer,
    WRIT_GATEWAY_CLIENT_ID: gateway.clientId,
    WRIT_GATEWAY_CLIENT_SECRET: gateway.clientSecret,
    WRIT_GATEWAY_AMQP_URL: facts.gatewayUrl,
    WRIT_REQUESTER_TOKEN: tokens.requester,
    WRIT_REVIEWER_TOKEN: tokens.reviewer,
    WRIT_REVIEWER2_TOKEN: tokens.reviewer2,
    WRIT_ADMIN_TOKEN: tokens.admin,
    WRIT_ADMIN2_TOKEN: tokens.admin2,
    WRIT_AUDITOR_TOKEN: tokens.auditor,
    WRIT_LOG_VKEY: logKey,
    ...(facts.tls === undefined ? {} : { NODE_EXTRA_CA_CERTS: facts.tls.ca }),
  };
}
