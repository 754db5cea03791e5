import { Controller, Get, Param, Query } from '@nestjs/common';
import { idPattern, usageSpans, type TokenId, type UsageBucket, type UsageSource, type UsageSpan, type UsageView } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, CallerOf, Clock, notFound, type Caller } from '@writ/service';
import { badQuery, seesAll } from './alerts.controller.js';
import { tokenById } from './token.store.js';
import { seriesOf, sourcesOf, type SourceRow, type SpanRow } from './usage.store.js';

const spanMs: Record<UsageSpan, number> = { minute: 2 * 3_600_000, hour: 7 * 86_400_000, day: 400 * 86_400_000 };

/** How a token is used: its series for a year, where from, and which of its scopes. */
@Controller('v1/usage')
export class UsageController {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly clock: Clock) {}

  @Get(':tokenId')
  @Allow()
  async read(@Param('tokenId') tokenId: string, @CallerOf() caller: Caller, @Query('span') span: string = 'hour'): Promise<UsageView> {
    if (!usageSpans.includes(span as UsageSpan)) throw badQuery('span', `one of ${usageSpans.join(', ')}`);
    const since = new Date(this.clock.now().getTime() - spanMs[span as UsageSpan]);
    return this.transactions.read(async (db) => {
      const token = idPattern('tok').test(tokenId) ? await tokenById(db, tokenId) : undefined;
      if (!token || !(seesAll(caller) || token.owner_id === caller.sub || (caller.team !== undefined && token.team === caller.team))) throw notFound('token');
      const rows = await seriesOf(db, tokenId, span as UsageSpan, since);
      const sources = await sourcesOf(db, tokenId);
      const last = rows.reduce<Date | undefined>((newest, { last_at }) => (newest && newest > last_at ? newest : last_at), sources[0] && sources.map(({ last_at }) => last_at).sort((a, b) => b.getTime() - a.getTime())[0]);
      return {
        tokenId: tokenId as TokenId, lastUsedAt: last?.toISOString(), span: span as UsageSpan, buckets: bucketsOf(rows),
        networks: of('network', sources), agents: of('agent', sources), gateways: of('gateway', sources), scopes: scopesOf(token.scopes, of('scope', sources)),
      };
    });
  }
}

function bucketsOf(rows: SpanRow[]): UsageBucket[] {
  const buckets = new Map<string, UsageBucket>();
  for (const { at, code, calls } of rows) {
    const key = at.toISOString();
    const bucket = buckets.get(key) ?? { at: key, calls: 0, codes: {} };
    bucket.calls += Number(calls);
    bucket.codes[code] = (bucket.codes[code] ?? 0) + Number(calls);
    buckets.set(key, bucket);
  }
  return [...buckets.values()];
}

function of(kind: SourceRow['kind'], rows: SourceRow[]): UsageSource[] {
  return rows.filter((row) => row.kind === kind).map(({ value, first_at, last_at }) => ({ value, firstAt: first_at.toISOString(), lastAt: last_at.toISOString() }));
}

function scopesOf(granted: string[], seen: UsageSource[]): UsageView['scopes'] {
  const used = seen.filter(({ value }) => granted.includes(value));
  const unused = granted.filter((scope) => !used.some(({ value }) => value === scope));
  return { granted, used, unused, words: `uses ${used.length} of ${granted.length} scopes` };
}
