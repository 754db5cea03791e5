import type { CampaignAnswer, CampaignId, Principal, RotateMany, RotationState } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import { keepApart } from './late-delivery.store.js';
import type { TokenRow } from './token.store.js';

export type CampaignFilter = Pick<RotateMany, 'owner' | 'team' | 'resource' | 'environment'>;

export interface CampaignRow {
  campaign_id: CampaignId;
  cause: 'requested' | 'emergency';
  reason: string;
  requested_by: Principal;
  filter: CampaignFilter;
  started_at: Date;
  reached: string;
  total: number;
  seen: number;
  skipped: number;
  spread_at: Date | null;
  /** Null: it is not, or no longer, for deliveries that are heard of late. */
  late_until: Date | null;
}

/** Locks the oldest mass rotation that has tokens left to look at and that no other replica works on; an emergency waits for no other. */
export async function lockUnspread(db: Db): Promise<CampaignRow | undefined> {
  return (await db.query<CampaignRow>(`SELECT * FROM campaign WHERE spread_at IS NULL ORDER BY cause = 'emergency' DESC, started_at LIMIT 1 FOR UPDATE SKIP LOCKED`))[0];
}

/** Tokens that a campaign is for; see {@link wanted}. */
const fits = `ended_at IS NULL AND expires_at > now() AND secret_since IS NOT NULL AND (NOT suspended OR $1)
  AND ($2::text IS NULL OR owner->>'id' = $2) AND ($3::text IS NULL OR owner->>'team' = $3)
  AND ($4::text IS NULL OR resource = $4) AND ($5::text IS NULL OR environment = $5)`;

function wanted({ cause, filter: { owner, team, resource, environment } }: Pick<CampaignRow, 'cause' | 'filter'>): unknown[] {
  return [cause === 'emergency', owner ?? null, team ?? null, resource ?? null, environment ?? null];
}

/**
 * As long as a delivery that came before what it builds upon is kept, and repetitions are recognised: what takes longer
 * was put back by hand.
 */
const lateDays = 7;

/** With the transaction's last statements: an emergency has whoever hears of deliveries wait until it commits. */
export async function insertCampaign(db: Db, campaign: Pick<CampaignRow, 'campaign_id' | 'cause' | 'reason' | 'requested_by' | 'filter'>): Promise<void> {
  const { campaign_id, cause, reason, requested_by, filter } = campaign;
  await db.query(
    `INSERT INTO campaign (campaign_id, cause, reason, requested_by, filter, started_at, late_until, total)
     VALUES ($6, $7, $8, $9, $10, now(), CASE WHEN $1 THEN now() + make_interval(days => $11) END, (SELECT count(*) FROM token WHERE ${fits}))`,
    [...wanted(campaign), campaign_id, cause, reason, JSON.stringify(requested_by), JSON.stringify(filter), lateDays],
  );
  if (cause === 'emergency') await keepApart(db);
}

/** Locks the next tokens that fit, in order of their ids: each is looked at once, however often the work is interrupted. */
export function lockNextTokens(db: Db, campaign: CampaignRow, limit: number): Promise<TokenRow[]> {
  return db.query<TokenRow>(
    `SELECT *, now() AS now FROM token WHERE token_id > $6 AND ${fits} ORDER BY token_id LIMIT $7 FOR UPDATE`, [...wanted(campaign), campaign.reached, limit],
  );
}

/** Locks those of these tokens that fit and whose secret from before the order is not dead already: by this campaign, or a later emergency. */
export async function lockStillToRotate(db: Db, campaign: CampaignRow, tokenIds: readonly string[]): Promise<TokenRow[]> {
  const tokens = await db.query<TokenRow>(`SELECT *, now() AS now FROM token WHERE token_id = ANY($6) AND ${fits} ORDER BY token_id FOR UPDATE`, [...wanted(campaign), tokenIds]);
  const rotated = await db.query<{ token_id: string }>(
    `SELECT token_id FROM rotation WHERE token_id = ANY($1) AND cause IN ('emergency', 'leak') AND started_at >= $2`, [tokenIds, campaign.started_at],
  );
  const done = new Set(rotated.map(({ token_id }) => token_id));
  return tokens.filter(({ token_id }) => !done.has(token_id));
}

/** Rotations of the campaign that the issuer has not begun. Orders that it leaves unanswered hold nothing up for long. */
export async function unanswered(db: Db, { campaign_id }: CampaignRow): Promise<number> {
  const [row] = await db.query<{ n: string }>(
    `SELECT count(*) AS n FROM rotation WHERE campaign_id = $1 AND state = 'due' AND started_at > now() - interval '10 seconds'`, [campaign_id],
  );
  return Number(row?.n);
}

export async function campaignById(db: Db, id: string): Promise<CampaignAnswer | undefined> {
  const [row] = await db.query<CampaignRow>('SELECT * FROM campaign WHERE campaign_id = $1', [id]);
  if (!row) return undefined;
  const states = await db.query<{ state: RotationState; n: string }>('SELECT state, count(*) AS n FROM rotation WHERE campaign_id = $1 GROUP BY state', [id]);
  const { campaign_id, cause, reason, requested_by, started_at, spread_at, total, seen, skipped } = row;
  return {
    campaignId: campaign_id, cause, reason, by: requested_by, startedAt: started_at.toISOString(), spreadAt: spread_at?.toISOString(), total, seen, skipped,
    rotations: Object.fromEntries(states.map(({ state, n }) => [state, Number(n)])),
  };
}
