import { parseArgs } from 'node:util';
import { readConfig } from '@writ/service';
import { AuditConfig } from '../config.js';
import { recover } from './recover.module.js';

const usage = 'usage: recover/main.js [--from DIR]\n';

/** After a database restore, before the service starts, with the service's environment. `writ audit recover` starts it. */
function readOptions(): { from?: string } {
  try {
    return parseArgs({ options: { from: { type: 'string' } } }).values;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

const { from: dir } = readOptions();
try {
  const config = readConfig(AuditConfig, process.env);
  if (dir) config.auditSiteDir = dir;
  const onProgress = (done: number, total: number) => { if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${total} entries`); };
  const { from, to, erasedAgain } = await recover(config, { onProgress });
  if (process.stderr.isTTY && from < to) process.stderr.write('\n');
  if (erasedAgain > 0) process.stdout.write(`Erased again: ${erasedAgain} of the people, requests and tokens that were erased since the backup and came back with it.\n`);
  process.stdout.write(from === to ? `The database has all ${to} entries that were signed.\n` : `Recovered the entries ${from} to ${to - 1}; the root is the signed one.\n`);
} catch (error) {
  process.stderr.write(`The log was not recovered. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
