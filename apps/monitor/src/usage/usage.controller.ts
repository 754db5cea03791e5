import { Controller, Get, Param, Query } from '@nestjs/common';
import { idPattern, usageSpans, type TokenId, type UsageBucket, type UsageSource, type UsageSpan, type UsageSummary, type UsageView } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, CallerOf, Clock, notFound, type Caller } from '@writ/service';
import { badQuery, seesAll } from '../alerts/alerts.controller.js';
import { MonitorConfig } from '../config.js';
import { wideAmong } from './narrowing.store.js';
import { tokenById } from './token.store.js';
import { scopesUsedBy, seriesOf, sourcesOf, type ScopesUsed, type SourceRow, type SpanRow } from './usage.store.js';

const mostListed = 100;
const spanMs: Record<UsageSpan, number> = { minute: 2 * 3_600_000, hour: 7 * 86_400_000, day: 400 * 86_400_000 };

/** How a token is used: its series for a year, where from, and which of its scopes. */
@Controller('v1/usage')
export class UsageController {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly config: MonitorConfig, private readonly clock: Clock) {}

  /** Several tokens at once, as lists of them show it: last use, and how many of its scopes each uses. Strangers' are left out. */
  @Get()
  @Allow()
  async list(@CallerOf() caller: Caller, @Query('tokens') tokens: string = ''): Promise<{ items: UsageSummary[] }> {
    const ids = tokens.split(',').filter(Boolean);
    if (ids.length > mostListed || !ids.every((id) => idPattern('tok').test(id))) throw badQuery('tokens', `at most ${mostListed} token ids, separated by commas`);
    const rows = await this.transactions.read((db) => scopesUsedBy(db, ids));
    return { items: rows.filter((row) => maySee(caller, row)).map(summaryOf) };
  }

  @Get(':tokenId')
  @Allow()
  async read(@Param('tokenId') tokenId: string, @CallerOf() caller: Caller, @Query('span') span: string = 'hour'): Promise<UsageView> {
    if (!usageSpans.includes(span as UsageSpan)) throw badQuery('span', `one of ${usageSpans.join(', ')}`);
    const since = new Date(this.clock.now().getTime() - spanMs[span as UsageSpan]);
    return this.transactions.read(async (db) => {
      const token = idPattern('tok').test(tokenId) ? await tokenById(db, tokenId) : undefined;
      if (!token || !maySee(caller, token)) throw notFound('token');
      const rows = await seriesOf(db, tokenId, span as UsageSpan, since);
      const sources = await sourcesOf(db, tokenId);
      const [narrowing] = await wideAmong(db, [tokenId], this.config.unusedScopeDays);
      // As lists have it: what was refused is no use. Sources are right within an hour, the series to the second.
      const last = [...rows.filter(({ code }) => code === 'VALID'), ...sources].reduce<Date | undefined>((newest, { last_at }) => (newest && newest > last_at ? newest : last_at), undefined);
      return {
        tokenId: tokenId as TokenId, lastUsedAt: last?.toISOString(), span: span as UsageSpan, buckets: bucketsOf(rows),
        networks: of('network', sources), agents: of('agent', sources), gateways: of('gateway', sources), scopes: scopesOf(token.scopes, of('scope', sources)),
        ...(narrowing ? { narrowing: { keep: narrowing.keep, drop: narrowing.drop } } : {}),
      };
    });
  }
}

function maySee(caller: Caller, { owner_id, team }: { owner_id: string; team: string }): boolean {
  return seesAll(caller) || owner_id === caller.sub || (caller.team !== undefined && team === caller.team);
}

function summaryOf({ token_id, scopes, used, last_at }: ScopesUsed): UsageSummary {
  const unused = scopes.filter((scope) => !used.includes(scope));
  const count = scopes.length - unused.length;
  return { tokenId: token_id, ...(last_at ? { lastUsedAt: last_at.toISOString() } : {}), granted: scopes.length, used: count, unused, words: usesWords(count, scopes.length) };
}

const usesWords = (used: number, granted: number) => `uses ${used} of ${granted} scopes`;

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
  return { granted, used, unused, words: usesWords(used.length, granted.length) };
}
