import { DataSource } from 'typeorm';
import { Transactions, type Db } from '@writ/messaging';
import type { KeyProvider } from '@writ/token';
import { follow, logBegin } from './check-log.js';
import { forgetHeads } from './head-file.store.js';
import { loadKeys } from '../keys.store.js';
import { StateLog, type LogRow } from './state-log.store.js';

const entriesAtOnce = 5_000;

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
 * No issuer may run meanwhile.
 * @returns the place of the entry that ends every token
 * @throws where the log has a hole or an entry was edited: that is no matter for this, restore the entries
 */
export async function acceptLog({ databaseUrl, keysDir, stateDir, keepTokens }: Acceptance): Promise<number | undefined> {
  const keys = loadKeys(keysDir);
  const log = new StateLog(keys);
  const source = await new DataSource({ type: 'postgres', url: databaseUrl }).initialize();
  try {
    const seq = await new Transactions(source, 'issuer').run(async ({ db }) => {
      await wholeLog(db, keys);
      await db.query('UPDATE state_head SET incarnation = gen_random_uuid()::text');
      await db.query('UPDATE verifier SET retired_at = now() WHERE retired_at IS NULL');
      return keepTokens ? undefined : (await log.append(db, { kind: 'epoch', reasonCode: 'log-was-set-back' })).seq;
    });
    // Removed last: until then an issuer that starts still refuses.
    forgetHeads(stateDir);
    return seq;
  } finally {
    await source.destroy();
  }
}

async function wholeLog(db: Db, keys: KeyProvider): Promise<void> {
  const [head] = await db.query<{ seq: string; chain: Buffer }>('SELECT seq, chain FROM state_head FOR UPDATE');
  let at = logBegin;
  for (let rows: LogRow[] = []; at === logBegin || rows.length === entriesAtOnce;) {
    rows = await db.query<LogRow>(`SELECT * FROM state_log WHERE seq > $1 ORDER BY seq LIMIT ${entriesAtOnce}`, [at.seq]);
    const followed = await follow(keys, at, rows);
    if (typeof followed === 'string') throw new Error(`${followed}; restore it first.`);
    if (rows.length === 0) break;
    at = followed;
  }
  if (at.seq !== Number(head?.seq) || !head?.chain.equals(at.chain)) throw new Error(`the state log ends at ${at.seq}, its head says ${head?.seq}; restore it first.`);
}
