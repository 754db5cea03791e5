import { migrate } from '@writ/service';
import * as migrations from './migrations/index.js';

try {
  for (const name of await migrate(migrations)) process.stdout.write(`${name}\n`);
} catch (error) {
  process.stderr.write(`The monitor's database could not be brought up to date. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
