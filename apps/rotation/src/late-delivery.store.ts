import { Injectable } from '@nestjs/common';
import type { TokenId } from '@writ/contracts';
import type { Db, Tx } from '@writ/messaging';
import type { CampaignRow } from './campaign.store.js';

interface Delivery { tokenId: TokenId; at: Date }

/** The issuer's clock and ours may differ by this much, as everywhere else. Within it a token is rotated once too often, never once too few. */
const clockToleranceSeconds = 5;

/**
 * Secrets that somebody had before a mass emergency was ordered, and of whose delivery we hear afterwards: its word was
 * still on its way, or an outage of the broker held it up. They are noted for the campaign, which looks at them once more.
 */
@Injectable()
export class LateDeliveries {
  private readonly gathered = new WeakMap<Tx<'rotation'>, Delivery[]>();

  /** A secret of this token reached its owner then. One statement for all of a transaction, which reads an empty index where no such campaign is. */
  heard(tx: Tx<'rotation'>, tokenId: TokenId, at: Date): void {
    let deliveries = this.gathered.get(tx);
    if (!deliveries) {
      const all: Delivery[] = (deliveries = []);
      this.gathered.set(tx, all);
      tx.beforeCommit(() => note(tx.db, all));
    }
    deliveries.push({ tokenId, at });
  }
}

/**
 * Holds the table's lock until the commit. {@link keepApart} waits for it, and has us wait before we look, since PostgreSQL
 * takes a statement's locks before its snapshot: either the order is seen here, or the delivery by whoever spreads the
 * campaign. Sorted, so that replicas wait for each other in one order.
 */
async function note(db: Db, deliveries: readonly Delivery[]): Promise<void> {
  await db.query(
    `INSERT INTO late_delivery (campaign_id, token_id)
     SELECT DISTINCT c.campaign_id, d."tokenId" FROM campaign c, json_to_recordset($1::json) AS d("tokenId" text, at timestamptz)
     WHERE c.late_until > now() AND d.at <= c.started_at + make_interval(secs => $2) ORDER BY 1, 2 ON CONFLICT DO NOTHING`,
    [JSON.stringify(deliveries), clockToleranceSeconds],
  );
}

/** Before a mass emergency commits: no delivery is being heard that would know nothing of it. */
export async function keepApart(db: Db): Promise<void> {
  await db.query('LOCK TABLE late_delivery IN SHARE MODE');
}

/** Locks a campaign that has late deliveries behind it; what still lies before it, it comes by. */
export async function lockWithLate(db: Db): Promise<CampaignRow | undefined> {
  return (await db.query<CampaignRow>(
    `SELECT * FROM campaign c WHERE EXISTS (
       SELECT FROM late_delivery l WHERE l.campaign_id = c.campaign_id AND (c.spread_at IS NOT NULL OR l.token_id <= c.reached))
     ORDER BY started_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
  ))[0];
}

export async function lateOnes(db: Db, { campaign_id, spread_at, reached }: CampaignRow, limit: number): Promise<string[]> {
  const rows = await db.query<{ token_id: string }>(
    'SELECT token_id FROM late_delivery WHERE campaign_id = $1 AND ($2 OR token_id <= $3) ORDER BY token_id LIMIT $4', [campaign_id, spread_at !== null, reached, limit],
  );
  return rows.map(({ token_id }) => token_id);
}

/** The last statement of its transaction: who notes one of these again waits for it, perhaps with a lock that was needed before. */
export async function forgetLate(db: Db, { campaign_id }: CampaignRow, tokenIds: readonly string[]): Promise<void> {
  await db.query('DELETE FROM late_delivery WHERE campaign_id = $1 AND token_id = ANY($2)', [campaign_id, tokenIds]);
}
