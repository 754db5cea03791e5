import { Injectable } from '@nestjs/common';
import { tokenStates, type FieldProblem, type TimelineEntry, type TokenView } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import { invalid, type Caller } from '@writ/service';
import type { LogRow } from '../state/state-log.store.js';
import { timelineOf } from './timeline.js';
import { viewOf } from './token-view.js';
import type { GenerationRow, OrphaningRow, TokenRow } from './token.row.js';

export interface Found {
  token: TokenRow;
  generations: GenerationRow[];
}

const defaultLimit = 50;
const maxLimit = 200;

/** Each filter as a condition; `$?` becomes the value's place. */
const filters: Record<string, string> = {
  owner: 'owner_id = $?',
  team: 'owner_team = $?',
  audience: 'audience = $?',
  scope: '$? = ANY(scopes)',
  state: 'state = $?',
  environment: 'environment = $?',
  request: 'request_id = $?',
  expiringBefore: 'expires_at < $?::timestamptz',
  unusedSince: 'coalesce(last_used_at, issued_at) < $?::timestamptz',
};

/** Looking tokens up: by id, by filters, through their life. */
@Injectable()
export class Inventory {
  async find(db: Db, tokenId: string): Promise<Found | undefined> {
    const [token] = await db.query<TokenRow>('SELECT * FROM token WHERE token_id = $1', [tokenId]);
    return token && { token, generations: await generationsOf(db, [tokenId]) };
  }

  async list(db: Db, query: Record<string, string>, caller: Caller): Promise<{ items: TokenView[]; next: string | null }> {
    const limit = limitOf(query.limit);
    const { conditions, values } = conditionsOf(query);
    if (!caller.roles.has('admin') && !caller.roles.has('auditor')) {
      values.push(caller.iss, caller.sub, caller.team ?? null);
      conditions.push(`((claimant_iss = $${values.length - 2} AND claimant_sub = $${values.length - 1}) OR owner_team = $${values.length})`);
    }
    const rows = await db.query<TokenRow>(
      `SELECT * FROM token ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''} ORDER BY token_id DESC LIMIT ${limit + 1}`, values,
    );
    const page = rows.slice(0, limit);
    const generations = await generationsOf(db, page.map(({ token_id }) => token_id));
    return {
      items: page.map((token) => viewOf(token, generations.filter(({ token_id }) => token_id === token.token_id))),
      next: rows.length > limit ? (page.at(-1)?.token_id ?? null) : null,
    };
  }

  async timeline(db: Db, { token, generations }: Found): Promise<TimelineEntry[]> {
    // The epoch that ends it is the first after its place: of its owner, or of everybody.
    const log = await db.query<LogRow>(
      `SELECT * FROM state_log WHERE token_id = $1 OR seq = least(
         (SELECT min(seq) FROM state_log WHERE kind = 'epoch' AND owner_id = $2 AND seq > $3),
         (SELECT min(seq) FROM state_log WHERE kind = 'epoch' AND owner_id IS NULL AND seq > $3)) ORDER BY seq`,
      [token.token_id, token.owner_id, token.issue_seq],
    );
    const orphanings = await db.query<OrphaningRow>('SELECT at, owner_id, ends_at FROM orphaning WHERE token_id = $1 ORDER BY at', [token.token_id]);
    return timelineOf(token, log, generations, orphanings);
  }
}

function generationsOf(db: Db, tokenIds: readonly string[]): Promise<GenerationRow[]> {
  return db.query<GenerationRow>('SELECT * FROM generation WHERE token_id = ANY($1) ORDER BY token_id, generation', [tokenIds]);
}

function conditionsOf(query: Record<string, string>): { conditions: string[]; values: unknown[] } {
  const conditions: string[] = [];
  const values: unknown[] = [];
  const problems: FieldProblem[] = [];
  for (const [name, value] of Object.entries(query)) {
    if (name === 'limit') continue;
    const condition = name === 'cursor' ? 'token_id < $?' : Object.hasOwn(filters, name) ? filters[name] : undefined;
    if (condition === undefined) problems.push({ pointer: `/${name.slice(0, 64)}`, message: 'This filter is not known here.' });
    else if (typeof value !== 'string' || value.length > 256) problems.push({ pointer: `/${name}`, message: 'A filter has one value.' });
    else if (/Before$|Since$/.test(name) && !isTime(value)) problems.push({ pointer: `/${name}`, message: `${name} is no time.` });
    else if (name === 'state' && !(tokenStates as readonly string[]).includes(value)) problems.push({ pointer: '/state', message: `state is one of ${tokenStates.join(', ')}.` });
    else {
      values.push(value);
      conditions.push(condition.replace('$?', `$${values.length}`));
    }
  }
  if (problems.length > 0) throw invalid(problems);
  return { conditions, values };
}

/** As RFC 3339 writes it, or a day: PostgreSQL reads neither less nor more of these than we do. */
function isTime(text: string): boolean {
  return /^[1-9]\d{3}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?$/.test(text) && !Number.isNaN(Date.parse(text));
}

function limitOf(text: string | undefined): number {
  if (text === undefined) return defaultLimit;
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) throw invalid([{ pointer: '/limit', message: `limit is 1 to ${maxLimit}.` }]);
  return limit;
}
