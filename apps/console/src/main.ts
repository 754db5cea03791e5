import { ConfigurationError, crashWithoutSecrets, createLog, withoutSecrets } from '@writ/process';
import { readConsoleConfig, type ConsoleConfig } from './config.js';
import { createConsole } from './console.module.js';

const stopWithinMs = 40_000;

async function start(config: ConsoleConfig): Promise<void> {
  const log = createLog('console', config.logLevel);
  const server = createConsole(config, log);
  await server.listen({ port: config.httpPort, host: config.httpHost });
  log.info({ url: config.consoleUrl, port: config.httpPort }, 'up');
  const stop = () => {
    setTimeout(() => process.exit(1), stopWithinMs).unref();
    server.close().then(() => { log.info({}, 'stopped'); log.flush(() => process.exit(0)); }, fail);
  };
  process.once('SIGTERM', stop).once('SIGINT', stop);
}

function fail(error: unknown): never {
  const text = error instanceof ConfigurationError ? error.message : error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  process.stderr.write(`console did not start, or could not stop cleanly. ${withoutSecrets(text)}\n`);
  process.exit(1);
}

crashWithoutSecrets('console');
await Promise.resolve().then(() => start(readConsoleConfig(process.env))).catch(fail);
