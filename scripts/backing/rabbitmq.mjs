import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inPath } from './binaries.mjs';
import { exchange } from './ports.mjs';
import { launch, untilReady } from './processes.mjs';

const admin = 'writ-admin';

/** Debian's wrapper in the path refuses ordinary users; the script behind it does not. */
export function findRabbit() {
  const packaged = ['/usr/lib/rabbitmq/bin/rabbitmq-server', '/opt/homebrew/opt/rabbitmq/sbin/rabbitmq-server', '/usr/local/opt/rabbitmq/sbin/rabbitmq-server'];
  return inPath('epmd') === undefined ? undefined : packaged.find((file) => existsSync(file)) ?? inPath('rabbitmq-server');
}

/** Starts RabbitMQ with its management plugin; everything it keeps lies below `dir`, and it names its neighbours by a port mapper of our own. */
export async function startRabbit({ bin, dir, ports, password, tls, record }) {
  const home = join(dir, 'rabbitmq');
  mkdirSync(join(home, 'etc'), { recursive: true, mode: 0o700 });
  writeFileSync(join(home, 'etc/enabled_plugins'), '[rabbitmq_management].\n');
  writeFileSync(join(home, 'etc/rabbitmq.conf'), [
    ...listeners(ports, tls),
    `default_user = ${admin}`, `default_pass = ${password}`, 'log.console = false', 'log.file.level = warning', '',
  ].join('\n'), { mode: 0o600 });
  const env = brokerEnvironment(home, ports);
  const logFile = join(dir, 'rabbitmq.log');
  // Started by us and in the foreground: the one Erlang would start by itself outlives its node under a pid nobody knows.
  const epmd = launch({ name: 'epmd', command: inPath('epmd'), args: ['-port', String(ports.epmd), '-address', '127.0.0.1'], env, cwd: home, logFile });
  record(epmd);
  const mapper = await untilReady(() => exchange({ host: '127.0.0.1', port: ports.epmd }).then(() => true), { records: [epmd], withinMs: 30_000, everyMs: 20 });
  if (mapper !== 'ready') return { outcome: mapper, logFile };
  const broker = launch({ name: 'rabbitmq', command: bin, args: [], env, cwd: home, logFile });
  record(broker);
  const management = `${tls === undefined ? 'http' : 'https'}://${admin}:${password}@127.0.0.1:${ports.management}`;
  const outcome = await untilReady(async () => {
    const answer = await askManagement(management, '/api/overview');
    return answer.ok && await exchange({ host: '127.0.0.1', port: ports.amqp }) === '';
  }, { records: [epmd, broker], withinMs: 180_000, everyMs: 150 });
  return { outcome, logFile, url: `${tls === undefined ? 'amqp' : 'amqps'}://${admin}:${password}@127.0.0.1:${ports.amqp}`, managementUrl: management };
}

/** With TLS nothing else is answered. Clients prove themselves by their password, not by certificates. */
function listeners(ports, tls) {
  if (tls === undefined) return [`listeners.tcp.1 = 127.0.0.1:${ports.amqp}`, 'management.tcp.ip = 127.0.0.1', `management.tcp.port = ${ports.management}`];
  const files = (prefix) => [`${prefix}.cacertfile = ${tls.ca}`, `${prefix}.certfile = ${tls.cert}`, `${prefix}.keyfile = ${tls.key}`];
  return [
    'listeners.tcp = none', `listeners.ssl.1 = 127.0.0.1:${ports.amqp}`, ...files('ssl_options'), 'ssl_options.versions.1 = tlsv1.3', 'ssl_options.versions.2 = tlsv1.2', 'ssl_options.verify = verify_none',
    'management.ssl.ip = 127.0.0.1', `management.ssl.port = ${ports.management}`, ...files('management.ssl'),
  ];
}

function brokerEnvironment(home, ports) {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(RABBITMQ_|ERL_|NOTIFY_SOCKET)/.test(name)));
  return {
    ...inherited,
    HOME: home,
    ERL_EPMD_PORT: String(ports.epmd),
    ERL_EPMD_ADDRESS: '127.0.0.1',
    RABBITMQ_CONF_ENV_FILE: join(home, 'etc/rabbitmq-env.conf'),
    RABBITMQ_CONFIG_FILE: join(home, 'etc/rabbitmq.conf'),
    RABBITMQ_ADVANCED_CONFIG_FILE: join(home, 'etc/advanced.config'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(home, 'etc/enabled_plugins'),
    RABBITMQ_GENERATED_CONFIG_DIR: join(home, 'generated'),
    RABBITMQ_SCHEMA_DIR: join(home, 'schema'),
    RABBITMQ_BASE: home,
    RABBITMQ_MNESIA_BASE: join(home, 'data'),
    RABBITMQ_LOG_BASE: join(home, 'log'),
    RABBITMQ_PID_FILE: join(home, 'rabbitmq.pid'),
    RABBITMQ_NODENAME: 'writ@localhost',
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(ports.amqp),
    RABBITMQ_DIST_PORT: String(ports.distribution),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-kernel inet_dist_use_interface {127,0,0,1}',
    // The start script then becomes the broker instead of its parent, so the pid we record is the broker's.
    RUNNING_UNDER_SYSTEMD: 'true',
  };
}

/** One call of the management API; `url` carries the credentials, which fetch itself refuses to take from there. */
export function askManagement(url, path, { method = 'GET', body, timeoutMs = 5_000 } = {}) {
  const { username, password, origin, pathname } = new URL(url);
  const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64');
  return fetch(`${origin}${pathname.replace(/\/$/, '')}${path}`, {
    method,
    headers: { authorization: `Basic ${credentials}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
}
