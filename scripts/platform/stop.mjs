import { join } from 'node:path';
import { endAll, isAlive } from '../backing/processes.mjs';
import { layoutOf, root } from './installation.mjs';
import { stopPlatform } from './platform.mjs';
import { readPlatform } from './supervisor.mjs';
import { createReporter, createTerminal } from './terminal.mjs';

/** Whoever started the platform ends it in order; this long it may take before we do it ourselves. */
const ownerMayTakeMs = 60_000;

/** Ends what `npm start` and `npm run dev` of this checkout started, and nothing else. */
export async function run() {
  const reporter = createReporter(createTerminal().show);
  const dir = join(root, '.writ');
  const owner = readPlatform(layoutOf(dir))?.owner;
  await reporter.step('stopping', async () => {
    const supervised = isAlive(owner);
    if (supervised) await endAll([owner], ownerMayTakeMs);
    const ran = await stopPlatform(dir);
    return supervised || ran ? 'everything has ended; data stays in .writ' : 'nothing was running';
  });
}
