import { join } from 'node:path';
import { startBacking } from '../backing/backing.mjs';
import { build, runNode } from './build.mjs';
import { root } from './installation.mjs';
import { createReporter, createTerminal } from './terminal.mjs';

/** Measures on servers of its own, with every transaction and fsync on; progress goes to stderr, tables to stdout. */
export async function run({ args }) {
  const reporter = createReporter(createTerminal(process.stderr).show);
  await reporter.step('build', async () => { await build(); return 'up to date'; });
  const backing = await reporter.step('backing services', ({ note }) => startBacking({ dir: join(root, '.writ/bench'), name: 'bench', fresh: true, log: note }));
  const interrupted = () => { void backing.stop().finally(() => process.exit(130)); };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const { code } = await runNode([join(root, 'bench/dist/main.js'), ...args], {
      inherit: true,
      env: {
        ...process.env,
        WRIT_TEST_POSTGRES_URL: backing.postgresUrl, WRIT_TEST_AMQP_URL: backing.amqpUrl, WRIT_TEST_AMQP_MANAGEMENT_URL: backing.amqpManagementUrl ?? '', WRIT_TEST_REDIS_URL: backing.redisUrl,
      },
    });
    return code;
  } finally {
    await backing.stop();
  }
}
