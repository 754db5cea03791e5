import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { ConfigError, readConfig, readInitConfig, type SignerConfig } from './config.js';
import { HeadStore, StateError } from './head.store.js';
import { initialise } from './key.store.js';
import { signController } from './sign.controller.js';

const stopSeconds = 10;
const limits = { requestTimeout: 10_000, headersTimeout: 5_000, keepAliveTimeout: 30_000, maxHeaderSize: 8_192, connectionsCheckingInterval: 1_000 };

/** `main.js` serves; `main.js init` makes the key and its empty state and prints the public key. */
function main([command, ...rest]: string[]): void {
  if (command === undefined) return serve(readConfig(process.env));
  if (command !== 'init' || rest.length > 0) throw new ConfigError(['usage: main.js [init]']);
  const { keyFile, stateDir, origin } = readInitConfig(process.env);
  process.stdout.write(`${initialise(keyFile, stateDir, origin, new Date()).toString()}\n`);
}

function serve(config: SignerConfig): void {
  const log = pino({
    level: config.logLevel,
    base: { service: 'signer' },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  });
  const store = HeadStore.open(config.stateDir, config.key.toString());
  let stopping = false;
  const answer = signController({
    key: config.key,
    store,
    secret: config.secret,
    log,
    isStopping: () => stopping,
    onStateLost: (error) => {
      log.fatal({ err: error }, 'the head could not be recorded; the signer stops');
      process.exit(1);
    },
  });
  const server = config.tls === undefined ? createServer(limits, answer) : createTlsServer({ ...limits, ...config.tls, minVersion: 'TLSv1.2' }, answer);
  server.maxConnections = 64;
  server.on('error', (error) => {
    log.fatal({ err: error }, 'cannot listen');
    process.exit(1);
  });
  server.listen(config.port, config.host, () => {
    const { address, port } = server.address() as AddressInfo;
    log.info({ address, port, vkey: config.key.toString(), size: store.head.size }, 'signer is ready');
  });
  const stop = () => {
    if (stopping) return;
    stopping = true;
    log.info('signer stops');
    server.close(() => store.close());
    setTimeout(() => server.closeAllConnections(), stopSeconds * 1000).unref();
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  // What an operator can mend is told in words; anything else is a bug and keeps its stack.
  if (!(error instanceof ConfigError || error instanceof StateError)) throw error;
  process.stderr.write(`writ signer: ${error.message}\n`);
  process.exitCode = 1;
}
