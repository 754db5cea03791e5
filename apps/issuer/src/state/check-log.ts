import { unhurried } from '@writ/service';
import { chainBytes, macEquals, type KeyProvider } from '@writ/token';
import { entryOf, type LogRow } from './state-log.store.js';

/** Where the log was followed to. */
export interface Followed {
  seq: number;
  chain: Buffer;
}

/** Before the first entry. */
export const logBegin: Followed = { seq: 0, chain: Buffer.alloc(32) };

/** Follows the chain over the next rows. @returns where it ends, or in words what is wrong with the log */
export async function follow(keys: KeyProvider, from: Followed, rows: readonly LogRow[]): Promise<Followed | string> {
  let { seq, chain } = from;
  for await (const row of unhurried(rows)) {
    if (Number(row.seq) !== seq + 1) return `entry ${seq + 1} of the state log is missing`;
    const link = await keys.mac('state', chainBytes(chain, entryOf(row)), row.kid);
    if (!macEquals(link, row.chain)) return `entry ${row.seq} of the state log is not what was written`;
    seq += 1;
    chain = link;
  }
  return { seq, chain };
}
