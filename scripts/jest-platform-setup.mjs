import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isAlive } from './backing/processes.mjs';
import { layoutOf } from './platform/installation.mjs';
import { startPlatform } from './platform/platform.mjs';
import { withDatabase } from './platform/services.mjs';
import { readPlatform } from './platform/supervisor.mjs';
import { createReporter } from './platform/terminal.mjs';

const runFolder = join(dirname(fileURLToPath(import.meta.url)), '../.writ');
const replicas = Object.fromEntries([...withDatabase, 'console'].map((name) => [name, 2]));

/**
 * Gives the end-to-end tests a platform of their own, two of each service, with the variables of its env file.
 * `WRIT_PLATFORM_TLS=1` has everything in it speak TLS alone.
 * `WRIT_PLATFORM_STATE` names the file that says which process is which; one that a test ends starts again by itself.
 */
export default async function providePlatform(_config, { displayName: { name } }) {
  const usual = join(runFolder, name);
  const dir = isAlive(readPlatform(layoutOf(usual))?.owner) ? `${usual}-${process.pid}` : usual;
  const reporter = createReporter((event) => { if (event.kind === 'done' || event.kind === 'line') process.stderr.write(`  ${event.label ?? ''} ${event.summary ?? event.text ?? ''}\n`); });
  const platform = await startPlatform({ dir, name, reporter, fresh: true, replicas, longestPauseMs: 1_000, tls: process.env.WRIT_PLATFORM_TLS === '1' });
  globalThis.writPlatform = platform;
  const interrupted = () => { void platform.stop().finally(() => process.exit(130)); };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  void platform.supervisor.watch();
  Object.assign(process.env, platform.env, { WRIT_PLATFORM_STATE: platform.layout.stateFile });
}
