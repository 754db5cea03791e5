import { migrate } from '@writ/service';
import * as migrations from './migrations/index.js';

try {
  for (const name of await migrate(Object.values(migrations))) process.stdout.write(`${name}\n`);
} catch (error) {
  process.stderr.write(`The policy database was not migrated. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
