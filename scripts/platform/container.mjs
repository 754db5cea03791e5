import { createServer, connect } from 'node:net';
import { resolve4 } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { errorText } from './terminal.mjs';
import { databaseName, inDatabase, ownerName, provisionDatabases } from './databases.mjs';
import { developmentGateway, developmentUpstream, layoutOf, writeClients } from './installation.mjs';
import { createKeys, initialiseSigner } from './keys.mjs';
import { identitySystems, processes, withDatabase } from './services.mjs';

/** What docker-compose.yml runs beside the services. Folders are those of a local installation, below /writ. */
const layout = layoutOf(process.env.WRIT_INSTALLATION_DIR ?? '/writ');
const say = (text) => process.stdout.write(`${text}\n`);

/** Accounts are named after services; their passwords come one by one from the environment. */
function passwords(name) {
  const variable = `WRIT_PASSWORD_${name.replace(/^(writ|client)[-_]/, '').replaceAll('-', '_').toUpperCase()}`;
  const value = process.env[variable];
  if (!value) throw new Error(`${variable} is not set`);
  return value;
}

const commands = {
  /** Keys, databases with their tables, broker: everything that has to be there before a service starts. Safe to repeat. */
  async provision() {
    createKeys(layout);
    writeClients(layout, passwords, process.env.WRIT_CONSOLE_URL);
    say(`keys are in place; verifier key of the audit log: ${await initialiseSigner({ ...layout, host: '', ports: {}, logLevel: 'info', logOrigin: process.env.WRIT_LOG_ORIGIN })}`);
    const superuserUrl = process.env.WRIT_BACKING_POSTGRES_URL;
    await provisionDatabases({
      superuserUrl,
      services: withDatabase.map((name) => ({ name, password: passwords(databaseName(name)), ownerPassword: passwords(ownerName(name)) })),
    });
    const { migrate } = await import('./platform.mjs');
    await migrate((name) => inDatabase(superuserUrl, databaseName(name), ownerName(name), passwords(ownerName(name))), process.env.WRIT_PLAIN_HOSTS);
    say(`${withDatabase.length} databases are migrated`);
    const { brokerPlan, provisionBroker } = await import('./broker.mjs');
    await provisionBroker(process.env.WRIT_BACKING_AMQP_MANAGEMENT_URL, brokerPlan({ passwords, upstreams: [developmentUpstream], gateways: [developmentGateway], identitySystems }));
    say('the broker is provisioned');
  },

  /** The development data, through the services' own routes. */
  async seed() {
    const { seed } = await import('./seed.mjs');
    const urls = Object.fromEntries(processes.map(({ name, port }) => [name, `http://${name}:${port}`]));
    await seed({ urls, tokens: JSON.parse(readFileSync(layout.tokensFile, 'utf8')), gatewayFile: layout.gatewayFile });
    say(`development data is in place; bearer tokens and gateway credentials: ${layout.tokensFile}, ${layout.gatewayFile}`);
  },

  /** Listens on every well-known port and spreads connections over the replicas behind the service's name. */
  async ports() {
    for (const { name, port } of processes.filter((each) => each.name !== 'signer')) {
      createServer((client) => { void spread(client, name, port); }).listen(port, '0.0.0.0');
    }
    say('the well-known ports are open');
    for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => process.exit(0));
  },
};

async function spread(client, name, port) {
  client.on('error', () => client.destroy());
  const replicas = await resolve4(name).catch(() => []);
  if (replicas.length === 0) { client.destroy(); return; }
  const server = connect({ host: replicas[Math.floor(Math.random() * replicas.length)], port });
  server.on('error', () => client.destroy());
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
  client.pipe(server).pipe(client);
}

try {
  await commands[process.argv[2]]();
} catch (error) {
  process.stderr.write(`${errorText(error)}\n`);
  process.exitCode = 1;
}
