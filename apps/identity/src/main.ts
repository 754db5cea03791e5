import { randomUUID } from 'node:crypto';
import { importJWK, type CryptoKey } from 'jose';
import { pino } from 'pino';
import { bearerTokens } from './bearer-tokens.js';
import { readConfig, type Config } from './config.js';
import { createIdentityServer } from './identity.controller.js';
import { loadKeys, writePrivately, type Keys } from './keys.store.js';

const stopWithinMs = 5_000;

async function start(config: Config): Promise<void> {
  const log = pino({ level: config.logLevel, base: { service: 'identity' } });
  const keys = await loadKeys(config.keysDir);
  const server = createIdentityServer(config, keys, log);
  server.once('error', (error: NodeJS.ErrnoException) => fail(error.code === 'EADDRINUSE' ? new Error(`Port ${config.port} is in use. Choose another in WRIT_HTTP_PORT.`) : error));
  // Before listening, so that whoever sees this server ready also finds the tokens.
  if (config.tokensFile !== undefined) await writeTokens(config.tokensFile, config, keys);
  server.listen(config.port, config.host, () => log.info({ issuer: config.issuer, port: config.port }, 'development identity provider is ready'));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      server.close(() => process.exit(0));
      server.closeIdleConnections();
      setTimeout(() => process.exit(0), stopWithinMs).unref();
    });
  }
}

async function writeTokens(file: string, config: Config, keys: Keys): Promise<void> {
  const key = await importJWK(keys.signing, 'ES256') as CryptoKey;
  const tokens = await bearerTokens({ key, kid: keys.signing.kid, issuer: config.issuer, audience: config.audience, now: new Date(), newId: randomUUID });
  writePrivately(file, JSON.stringify(tokens));
}

function fail(error: unknown): never {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}

await Promise.resolve().then(() => start(readConfig())).catch(fail);
