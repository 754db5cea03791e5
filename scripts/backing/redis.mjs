import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inPath } from './binaries.mjs';
import { exchange } from './ports.mjs';
import { launch, untilReady } from './processes.mjs';

export const findRedis = () => inPath('redis-server') ?? inPath('valkey-server');

/** Starts Redis on `port`. It holds only what may be lost, so it writes nothing to disk. */
export async function startRedis({ bin, dir, port, password, tls, record }) {
  const home = join(dir, 'redis');
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const config = join(home, 'redis.conf');
  // The password stays out of the command line, which every user of the machine can read.
  writeFileSync(config, [
    'bind 127.0.0.1', ...listeners(port, tls), `requirepass ${password}`, 'save ""', 'appendonly no', `dir "${home}"`, 'daemonize no', 'set-proc-title no', '',
  ].join('\n'), { mode: 0o600 });
  const logFile = join(dir, 'redis.log');
  const server = launch({ name: 'redis', command: bin, args: [config], env: process.env, cwd: home, logFile });
  record(server);
  const outcome = await untilReady(
    async () => (await exchange({ host: '127.0.0.1', port, tls, bytes: `AUTH ${password}\r\nPING\r\n` })).startsWith('+OK'),
    { records: [server], withinMs: 60_000, everyMs: 30 },
  );
  return { outcome, logFile, url: `${tls === undefined ? 'redis' : 'rediss'}://:${password}@127.0.0.1:${port}/0` };
}

/** With TLS nothing else is answered. Clients prove themselves by the password, not by certificates. */
const listeners = (port, tls) => (tls === undefined ? [`port ${port}`] : [
  'port 0', `tls-port ${port}`, `tls-cert-file "${tls.cert}"`, `tls-key-file "${tls.key}"`, `tls-ca-cert-file "${tls.ca}"`, 'tls-auth-clients no', 'tls-protocols "TLSv1.2 TLSv1.3"',
]);
