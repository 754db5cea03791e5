import { readConfig } from '@writ/service';
import { AuditConfig } from '../config.js';
import { recover } from './recover.module.js';

/** `recover/main.js [--from DIR]`: after a database restore, before the service starts, with the service's environment. */
const [flag, dir] = process.argv.slice(2);
if (flag !== undefined && (flag !== '--from' || !dir)) {
  process.stderr.write('usage: recover/main.js [--from DIR]\n');
  process.exit(2);
}
try {
  const config = readConfig(AuditConfig, process.env);
  if (dir) config.auditSiteDir = dir;
  const { from, to } = await recover(config, (done, total) => process.stderr.write(`\r${done} of ${total} entries`));
  process.stdout.write(from === to ? `The database has all ${to} entries that were signed.\n` : `\nRecovered the entries ${from} to ${to - 1}; the root is the signed one.\n`);
} catch (error) {
  process.stderr.write(`The log was not recovered. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
