/**
 * Every process of the platform: what starts it, where it listens, what it needs. The local start, the containers of
 * docker-compose.yml and the provisioning of databases, broker users and keys all read this table. `signs` are the
 * purposes that its signing key is trusted for, `keeps` the kinds of secret keys that it alone holds.
 */
const writService = (name, port, more = {}) => ({
  name, port, entry: `apps/${name}/dist/main.js`, migrate: `apps/${name}/dist/migrate.js`,
  ...more, needs: ['http', 'people', 'database', 'broker', ...(more.needs ?? [])],
});

export const processes = [
  { name: 'identity', port: 4010, entry: 'apps/identity/dist/main.js', needs: ['http', 'provider', 'keys'] },
  { name: 'signer', port: 4007, entry: 'apps/signer/dist/main.js', needs: ['signer'] },
  writService('request', 4001, { needs: ['keys'], signs: ['request'] }),
  writService('policy', 4002, { needs: ['keys', 'trust'], signs: ['decision', 'vote', 'policy-set'] }),
  writService('issuer', 4003, { needs: ['rpc', 'redis', 'keys', 'trust', 'state', 'identities'], keeps: ['pepper', 'mac'] }),
  writService('rotation', 4004, { needs: ['keys'], signs: ['rotation'] }),
  writService('audit', 4005, { needs: ['signing', 'state'] }),
  writService('monitor', 4006, { needs: ['redis', 'keys', 'trust'], signs: ['proposal', 'leak'], keeps: ['honeytoken'] }),
  { name: 'console', port: 4000, entry: 'apps/console/dist/main.js', needs: ['http', 'console', 'redis', 'addresses'] },
];

/**
 * What Node is told for every process. The live heap of a service is a fifth of this limit; without one V8 lets garbage
 * pile up for as long as the machine has memory, with a lower one it collects ever more often. Young objects have room
 * for a batch of messages, which would else be copied to the old ones and die there.
 */
export const nodeFlags = ['--max-semi-space-size=12', '--max-old-space-size=256'];

/** The C library gives each thread memory of its own unless it is told not to, and Node has a dozen threads that need little. */
export const nodeEnvironment = { MALLOC_ARENA_MAX: '2' };

/** Who may do what, by the groups of the development identity provider. */
export const roleGroups = {
  requester: ['writ-requesters'],
  reviewer: ['writ-reviewers'],
  'policy-admin': ['writ-admins', 'writ-policymakers'],
  admin: ['writ-admins'],
  auditor: ['writ-auditors'],
};

export const audience = 'urn:writ:api';

/** As whom the console is known to the identity provider. */
export const consoleClient = 'writ-console';

/** The broker users who may say that an owner left: they get a right that no upstream has, and the issuer believes them alone. */
export const identitySystems = (process.env.WRIT_IDENTITY_SYSTEMS ?? 'dev-identity-system').split(',').map((name) => name.trim()).filter(Boolean);

/** The environment that each need turns into, from the facts of an installation. */
const variables = {
  http: {
    WRIT_HTTP_HOST: ({ host }) => host,
    WRIT_HTTP_PORT: ({ ports }, name) => String(ports[name]),
    WRIT_LOG_LEVEL: ({ logLevel }) => logLevel,
  },
  people: {
    WRIT_OIDC_ISSUER: ({ oidcIssuer }) => oidcIssuer,
    WRIT_OIDC_AUDIENCE: () => audience,
    WRIT_ROLE_GROUPS: () => JSON.stringify(roleGroups),
    // As long as the bearer tokens of the development provider live; five minutes where nothing is said.
    WRIT_STEP_UP_SECONDS: () => String(8 * 3600),
  },
  provider: {
    WRIT_OIDC_ISSUER: ({ oidcIssuer }) => oidcIssuer,
    WRIT_OIDC_AUDIENCE: () => audience,
    WRIT_IDENTITY_TOKENS_FILE: ({ tokensFile }) => tokensFile,
    WRIT_IDENTITY_CLIENTS_FILE: ({ clientsFile }) => clientsFile,
  },
  console: {
    WRIT_CONSOLE_URL: ({ consoleUrl }) => consoleUrl,
    WRIT_CONSOLE_KEY_FILE: ({ consoleKeyFile }) => consoleKeyFile,
    WRIT_OIDC_ISSUER: ({ oidcIssuer }) => oidcIssuer,
    WRIT_OIDC_CLIENT_ID: () => consoleClient,
    WRIT_OIDC_CLIENT_SECRET: ({ consoleSecret }) => consoleSecret,
    WRIT_PLAIN_HOSTS: ({ plainHosts }) => plainHosts,
  },
  addresses: Object.fromEntries(['request', 'policy', 'issuer', 'rotation', 'audit', 'monitor'].map((name) => [`WRIT_${name.toUpperCase()}_URL`, ({ serviceUrl }) => serviceUrl(name)])),
  database: { WRIT_DATABASE_URL: ({ databaseUrl }, name) => databaseUrl(name) },
  broker: {
    WRIT_BROKER_URL: ({ brokerUrl }, name) => brokerUrl(name),
    WRIT_PLAIN_HOSTS: ({ plainHosts }) => plainHosts,
  },
  rpc: { WRIT_RPC_BROKER_URL: ({ rpcBrokerUrl }, name) => rpcBrokerUrl(name) },
  redis: { WRIT_REDIS_URL: ({ redisUrl }) => redisUrl },
  keys: { WRIT_KEYS_DIR: ({ keysDir }, name) => keysDir(name) },
  trust: { WRIT_TRUST_FILE: ({ trustFile }) => trustFile },
  identities: { WRIT_IDENTITY_SYSTEMS: () => identitySystems.join(',') },
  state: { WRIT_STATE_DIR: ({ stateDir }, name) => stateDir(name) },
  signing: {
    WRIT_SIGNER_URL: ({ signerUrl }) => signerUrl,
    WRIT_SIGNER_SECRET_FILE: ({ signerSecretFile }) => signerSecretFile,
    WRIT_LOG_ORIGIN: ({ logOrigin }) => logOrigin,
  },
  signer: {
    WRIT_SIGNER_HOST: ({ host }) => host,
    WRIT_SIGNER_PORT: ({ ports }, name) => String(ports[name]),
    WRIT_SIGNER_KEY_FILE: ({ signerKeyFile }) => signerKeyFile,
    WRIT_SIGNER_STATE_DIR: ({ stateDir }, name) => stateDir(name),
    WRIT_SIGNER_SECRET_FILE: ({ signerSecretFile }) => signerSecretFile,
    WRIT_LOG_ORIGIN: ({ logOrigin }) => logOrigin,
    WRIT_LOG_LEVEL: ({ logLevel }) => logLevel,
  },
};

/** What every process is told beside, in an installation that speaks TLS. */
const tlsVariables = {
  WRIT_TLS_CERT_FILE: ({ tls }) => tls.cert,
  WRIT_TLS_KEY_FILE: ({ tls }) => tls.key,
  NODE_EXTRA_CA_CERTS: ({ tls }) => tls.ca,
};

export const processOf = (name) => processes.find((each) => each.name === name);
/** The services that own a database and a broker user. */
export const withDatabase = processes.filter(({ needs }) => needs.includes('database')).map(({ name }) => name);

/** The names of the variables that a process reads. */
export const variableNames = ({ needs }) => needs.flatMap((need) => Object.keys(variables[need]));

/** The whole environment of a process, and nothing that is meant for another one. */
export const environmentOf = ({ name, needs }, facts) => Object.fromEntries(
  [...needs.map((need) => variables[need]), facts.tls === undefined ? {} : tlsVariables]
    .flatMap((each) => Object.entries(each).map(([variable, derive]) => [variable, derive(facts, name)])),
);
