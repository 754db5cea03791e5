import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DataSource } from 'typeorm';
import { Transactions } from '@writ/messaging';
import { loadKeys } from './keys.store.js';
import { StateLog } from './state-log.store.js';

export interface Acceptance {
  databaseUrl: string;
  keysDir: string;
  stateDir: string;
  /** Nothing was stopped since the log's last entry, the operator says: no token need end. */
  keepTokens: boolean;
}

/**
 * Takes a state log that was set back, say by a restored backup, as it is now. It begins a new incarnation, which voids
 * every memory in the fleet; and because what was stopped after the backup would live again, every token ends.
 * A hole in the log is no matter for this: restore the entries. No issuer may run meanwhile.
 * @returns the place of the entry that ends every token
 */
export async function acceptLog({ databaseUrl, keysDir, stateDir, keepTokens }: Acceptance): Promise<number | undefined> {
  const log = new StateLog(loadKeys(keysDir));
  const source = await new DataSource({ type: 'postgres', url: databaseUrl }).initialize();
  try {
    const seq = await new Transactions(source, 'issuer').run(async ({ db }) => {
      await db.query('UPDATE state_head SET incarnation = gen_random_uuid()::text');
      await db.query('UPDATE verifier SET retired_at = now() WHERE retired_at IS NULL');
      return keepTokens ? undefined : (await log.append(db, { kind: 'epoch', reasonCode: 'log-was-set-back' })).seq;
    });
    // Removed last: until then an issuer that starts still refuses.
    for (const name of readdirSync(stateDir)) if (/^head\.[\w-]+\.json$/.test(name)) unlinkSync(join(stateDir, name));
    return seq;
  } finally {
    await source.destroy();
  }
}
