import type { TokenId } from '@writ/contracts';
import { toJson, type Db } from '@writ/messaging';
import type { MinuteUse, SourceUse } from '../baselines/observe.js';
import type { Past } from '../baselines/seed.js';

/** Appends the series of a batch: one statement, no index look-ups to keep unique. */
export async function appendMinutes(db: Db, rows: readonly MinuteUse[]): Promise<void> {
  if (rows.length === 0) return;
  await db.query(
    `INSERT INTO usage_minute (token_id, at, code, calls, last_at)
     SELECT t, to_timestamp(m * 60), c, n, to_timestamp(l / 1000.0) FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) u(t, m, c, n, l)`,
    [rows.map((r) => r.tokenId), rows.map((r) => r.minute), rows.map((r) => r.code), rows.map((r) => r.calls), rows.map((r) => r.lastAt)],
  );
}

/** A token keeps so many networks, agents and gateways, and lets go of those not seen for longest: clients choose what they call themselves. */
const mostSources = 256;

/** Remembers where tokens were used from, by what and for which scopes. Sorted, so that replicas never wait in a circle. */
export async function touchSources(db: Db, rows: readonly SourceUse[]): Promise<void> {
  if (rows.length === 0) return;
  const sorted = rows.map(({ tokenId, kind, value, firstAt, lastAt }) => ({ token_id: tokenId, kind, value, first: new Date(firstAt).toISOString(), last: new Date(lastAt).toISOString(), order: `${tokenId} ${kind} ${value}` })).sort((a, b) => (a.order < b.order ? -1 : 1));
  const fresh = await db.query<{ token_id: string; kind: string }>(
    `WITH put AS (INSERT INTO usage_source (token_id, kind, value, first_at, last_at)
       SELECT token_id, kind, value, first, last FROM json_to_recordset($1::json) AS r(token_id text, kind text, value text, first timestamptz, last timestamptz)
       ON CONFLICT (token_id, kind, value) DO UPDATE SET last_at = greatest(usage_source.last_at, excluded.last_at), first_at = least(usage_source.first_at, excluded.first_at)
       RETURNING token_id, kind, xmax = 0 is_new)
     SELECT DISTINCT token_id, kind FROM put WHERE is_new`,
    [toJson(sorted)],
  );
  if (fresh.length === 0) return;
  await db.query(
    `DELETE FROM usage_source WHERE (token_id, kind, value) IN (
       SELECT token_id, kind, value FROM json_to_recordset($1::json) AS f(token_id text, kind text), LATERAL (
         SELECT value FROM usage_source s WHERE s.token_id = f.token_id AND s.kind = f.kind ORDER BY last_at DESC OFFSET $2) old)`, [toJson(fresh), mostSources],
  );
}

interface PastRow {
  token_id: string;
  first_at: Date | null;
  last_at: Date;
  calls: string | null;
  peak_minute: string | null;
  peak_hour: string | null;
  high_denied: number | null;
  sources: { kind: string; value: string; first_at: string; last_at: string }[] | null;
}

/** What is known of tokens whose baselines are not: nothing for a token never used. */
export async function pastOf(db: Db, tokenIds: readonly string[]): Promise<Map<string, Past>> {
  const rows = await db.query<PastRow>(
    `WITH wanted AS (SELECT unnest($1::text[]) token_id),
     spans AS (
       SELECT token_id, at, last_at, calls, calls peak, calls of_hour FROM usage_minute JOIN wanted USING (token_id)
       UNION ALL SELECT token_id, at, last_at, calls, peak, calls FROM usage_hour JOIN wanted USING (token_id)
       UNION ALL SELECT token_id, at, last_at, calls, peak, peak FROM usage_day JOIN wanted USING (token_id)),
     series AS (SELECT token_id, min(at) first_at, max(last_at) last_at, sum(calls) calls, max(peak) peak_minute, max(of_hour) peak_hour FROM spans GROUP BY token_id),
     origin AS (SELECT token_id, json_agg(s) sources FROM usage_source s JOIN wanted USING (token_id) GROUP BY token_id)
     SELECT token_id, first_at, series.last_at, calls, greatest(peak_minute, l.high_minute) peak_minute, greatest(peak_hour, l.high_hour) peak_hour, l.high_denied, sources
     FROM wanted LEFT JOIN series USING (token_id) LEFT JOIN origin USING (token_id) LEFT JOIN lesson l USING (token_id)`,
    [tokenIds],
  );
  return new Map(rows.flatMap((row): [string, Past][] => (row.first_at === null ? [] : [[row.token_id, {
    firstAt: row.first_at, lastAt: row.last_at, calls: Number(row.calls), peakMinute: Number(row.peak_minute), peakHour: Number(row.peak_hour), highDenied: row.high_denied ?? 0,
    sources: (row.sources ?? []).map(({ kind, value, first_at, last_at }) => ({ kind, value, firstAt: new Date(first_at), lastAt: new Date(last_at) })),
  }]])));
}

const kept = { minute: '2 hours', hour: '30 days', day: '400 days', source: '400 days' };

/**
 * Turns minutes that are over into hours, hours into days, and lets go of days after a year: the space a token takes
 * is bounded. Each step moves rows in one statement, so nothing is counted twice or lost whenever this ends.
 */
export async function rollUp(db: Db, limit = 50_000): Promise<boolean> {
  const minutes = await db.query<{ moved: string }>(
    `WITH gone AS (DELETE FROM usage_minute WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_minute WHERE at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING *),
     minute AS (SELECT token_id, at, code, sum(calls) calls, max(last_at) last_at FROM gone GROUP BY 1, 2, 3),
     put AS (INSERT INTO usage_hour AS u (token_id, at, code, calls, peak, last_at)
       SELECT token_id, date_trunc('hour', at, 'UTC'), code, sum(calls), max(calls), max(last_at) FROM minute GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
       ON CONFLICT (token_id, at, code) DO UPDATE SET calls = u.calls + excluded.calls, peak = greatest(u.peak, excluded.peak), last_at = greatest(u.last_at, excluded.last_at))
     SELECT count(*) moved FROM gone`, [kept.minute, limit],
  );
  const hours = await db.query<{ moved: string }>(
    `WITH gone AS (DELETE FROM usage_hour WHERE ctid = ANY (ARRAY(SELECT ctid FROM usage_hour WHERE at < now() - $1::interval LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING *),
     put AS (INSERT INTO usage_day AS u (token_id, at, code, calls, peak, last_at)
       SELECT token_id, date_trunc('day', at, 'UTC'), code, sum(calls), max(peak), max(last_at) FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
       ON CONFLICT (token_id, at, code) DO UPDATE SET calls = u.calls + excluded.calls, peak = greatest(u.peak, excluded.peak), last_at = greatest(u.last_at, excluded.last_at))
     SELECT count(*) moved FROM gone`, [kept.hour, limit],
  );
  await db.query('DELETE FROM usage_day WHERE at < now() - $1::interval', [kept.day]);
  await db.query('DELETE FROM usage_source WHERE last_at < now() - $1::interval', [kept.source]);
  return Number(minutes[0]?.moved) === limit || Number(hours[0]?.moved) === limit;
}

export interface SpanRow {
  at: Date;
  code: string;
  calls: string;
  last_at: Date;
}

/** A token's series since a time, newest hours from minutes not yet rolled up. */
export function seriesOf(db: Db, tokenId: string, span: 'minute' | 'hour' | 'day', since: Date): Promise<SpanRow[]> {
  return db.query<SpanRow>(
    `SELECT date_trunc($2, at, 'UTC') at, code, sum(calls) calls, max(last_at) last_at FROM (
       SELECT at, code, calls, last_at FROM usage_minute WHERE token_id = $1
       UNION ALL SELECT at, code, calls, last_at FROM usage_hour WHERE token_id = $1 AND $2 <> 'minute'
       UNION ALL SELECT at, code, calls, last_at FROM usage_day WHERE token_id = $1 AND $2 = 'day') u
     WHERE at >= date_trunc($2, $3::timestamptz, 'UTC') GROUP BY 1, 2 ORDER BY 1, 2`,
    [tokenId, span, since],
  );
}

export interface SourceRow {
  kind: SourceUse['kind'];
  value: string;
  first_at: Date;
  last_at: Date;
}

export interface ScopesUsed {
  token_id: TokenId;
  owner_id: string;
  team: string;
  scopes: string[];
  used: string[];
  last_at: Date | null;
}

/** Of each token that is known, which scopes it was used with, and when it was last used; right within an hour. */
export function scopesUsedBy(db: Db, tokenIds: readonly string[]): Promise<ScopesUsed[]> {
  return db.query<ScopesUsed>(
    `SELECT t.token_id, t.owner_id, t.team, t.scopes, coalesce(array_agg(u.value) FILTER (WHERE u.kind = 'scope'), '{}') used, max(u.last_at) last_at
     FROM token t LEFT JOIN usage_source u USING (token_id) WHERE t.token_id = ANY($1) GROUP BY t.token_id ORDER BY t.token_id`, [tokenIds],
  );
}

/** Other networks that a token was used from before one was first seen, the newest few. */
export function networksBefore(db: Db, tokenId: string, except: string, before: Date): Promise<SourceRow[]> {
  return db.query<SourceRow>(
    `SELECT kind, value, first_at, last_at FROM usage_source WHERE token_id = $1 AND kind = 'network' AND value <> $2 AND first_at < $3 ORDER BY last_at DESC LIMIT 20`, [tokenId, except, before],
  );
}

/** Where from, by what and with which scopes a token was used, the newest of each kind: none crowds out another. */
export function sourcesOf(db: Db, tokenId: string, mostOfKind = 100): Promise<SourceRow[]> {
  return db.query<SourceRow>(
    `SELECT kind, value, first_at, last_at FROM (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY last_at DESC) place FROM usage_source WHERE token_id = $1) s
     WHERE place <= $2 ORDER BY kind, last_at DESC`, [tokenId, mostOfKind],
  );
}
