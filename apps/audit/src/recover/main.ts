import { parseArgs } from 'node:util';
import { readConfig } from '@writ/service';
import { AuditConfig } from '../config.js';
import { recover } from './recover.module.js';

const usage = 'usage: recover/main.js [--from DIR] [--will-erase-again]\n';

/** After a database restore, before the service starts, with the service's environment. `writ audit recover` starts it. */
function readOptions(): { from?: string; willEraseAgain: boolean } {
  try {
    const { values } = parseArgs({ options: { from: { type: 'string' }, 'will-erase-again': { type: 'boolean', default: false } } });
    return { from: values.from, willEraseAgain: values['will-erase-again'] };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    process.exit(2);
  }
}

const { from: dir, willEraseAgain } = readOptions();
try {
  const config = readConfig(AuditConfig, process.env);
  if (dir) config.auditSiteDir = dir;
  const onProgress = (done: number, total: number) => { if (process.stderr.isTTY) process.stderr.write(`\r${done} of ${total} entries`); };
  const { from, to } = await recover(config, { willEraseAgain, onProgress });
  if (process.stderr.isTTY && from < to) process.stderr.write('\n');
  process.stdout.write(from === to ? `The database has all ${to} entries that were signed.\n` : `Recovered the entries ${from} to ${to - 1}; the root is the signed one.\n`);
} catch (error) {
  process.stderr.write(`The log was not recovered. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
