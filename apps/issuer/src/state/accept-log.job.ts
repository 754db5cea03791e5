import { readConfig } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { acceptLog } from './accept-log.store.js';

/** An operator's command: `node dist/state/accept-log.job.js [--keep-tokens]`, with the issuer's environment and no issuer running. */
try {
  const seq = await acceptLog({ ...readConfig(IssuerConfig, process.env), keepTokens: process.argv.includes('--keep-tokens') });
  process.stdout.write(seq === undefined ? 'The log is accepted as it is.\n' : `The log is accepted as it is; entry ${seq} ends every token.\n`);
} catch (error) {
  process.stderr.write(`The log was not accepted. ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
