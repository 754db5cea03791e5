import { join } from 'node:path';
import { root } from './installation.mjs';
import { processOf } from './services.mjs';

/**
 * Runs the services' own migrations one after the other in one process, which loads what they share once. Reads
 * WRIT_MIGRATIONS, a JSON object of service to database address; the first that fails is named and ends it.
 */
for (const [service, url] of Object.entries(JSON.parse(process.env.WRIT_MIGRATIONS))) {
  process.env.WRIT_MIGRATION_DATABASE_URL = url;
  await import(join(root, processOf(service).migrate)).catch((error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exitCode = 1;
  });
  if (process.exitCode) {
    process.stderr.write(`\nThis was the database of ${service}.\n`);
    break;
  }
}
