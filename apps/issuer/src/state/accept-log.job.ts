import { acceptLog } from './accept-log.store.js';

/** An operator's command: `node dist/accept-log.job.js [--keep-tokens]`, with the issuer's environment and no issuer running. */
const { WRIT_DATABASE_URL: databaseUrl, WRIT_KEYS_DIR: keysDir, WRIT_STATE_DIR: stateDir } = process.env;
if (!databaseUrl || !keysDir || !stateDir) {
  process.stderr.write('WRIT_DATABASE_URL, WRIT_KEYS_DIR and WRIT_STATE_DIR are needed.\n');
  process.exit(2);
}
const seq = await acceptLog({ databaseUrl, keysDir, stateDir, keepTokens: process.argv.includes('--keep-tokens') });
process.stdout.write(seq === undefined ? 'The log is accepted as it is.\n' : `The log is accepted as it is; entry ${seq} ends every token.\n`);
