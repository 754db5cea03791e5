import { lookup, type Db } from '@writ/messaging';
import type { KeyProvider } from '@writ/token';
import { isGenuine, type TokenRow } from './token.row.js';

/** The place of the entry that last gave a token its owner: its issue, or a transfer. No other entry of a token names one. */
export const ownedSeq = (tokenId: string) => `(SELECT max(seq) FROM state_log o WHERE o.token_id = ${tokenId} AND o.owner_id IS NOT NULL)`;

const owned = lookup<{ token_id: string; seq: string }>(`SELECT id AS token_id, ${ownedSeq('id')} AS seq FROM unnest($1::text[]) t(id)`, (row) => row.token_id);

/**
 * Whether the row of a locked token is what the issuer wrote last. A seal alone does not say so: the row of before a
 * transfer has a good one too, and its former owner in it.
 */
export async function isAsWritten(db: Db, keys: KeyProvider, token: TokenRow): Promise<boolean> {
  const last = await db.one(owned, token.token_id);
  return last?.seq === token.issue_seq && isGenuine(keys, token);
}
