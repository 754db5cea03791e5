import type { FieldProblem } from '@writ/contracts';
import { invalid } from '@writ/service';
import type { EntryFilter } from './entries.store.js';

/** The parameters of a search, before anything is believed of them. */
export type EntryQuery = Partial<Record<'token' | 'request' | 'actor' | 'type' | 'from' | 'to' | 'event' | 'cursor' | 'limit', unknown>>;

const mostItems = 200;
const defaultItems = 50;
const texts = ['token', 'request', 'actor', 'type', 'event'] as const;

/** Reads a search's parameters. Throws the problem `invalid-body` naming all that are wrong. */
export function filterOf(query: EntryQuery): EntryFilter {
  const problems: FieldProblem[] = [];
  const filter: EntryFilter = { limit: defaultItems };
  const bad = (name: string, message: string) => problems.push({ pointer: `/${name}`, message });
  for (const name of texts) {
    const value = query[name];
    if (value === undefined || value === '') continue;
    if (typeof value === 'string' && value.length <= 256 && !value.includes('\u0000')) filter[name] = value;
    else bad(name, `${name} is one text of at most 256 characters`);
  }
  for (const name of ['from', 'to'] as const) {
    const value = query[name];
    if (value === undefined || value === '') continue;
    const time = typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value) : undefined;
    if (time && !Number.isNaN(time.getTime())) filter[name] = time;
    else bad(name, `${name} is a time such as 2026-01-31T12:00:00Z`);
  }
  if (query.cursor !== undefined && query.cursor !== '') {
    filter.before = indexOf(query.cursor);
    if (filter.before === undefined) bad('cursor', 'cursor is the next of an earlier answer');
  }
  if (query.limit !== undefined && query.limit !== '') {
    const limit = indexOf(query.limit);
    if (limit !== undefined && limit >= 1 && limit <= mostItems) filter.limit = limit;
    else bad('limit', `limit is 1 to ${mostItems}`);
  }
  if (problems.length > 0) throw invalid(problems);
  return filter;
}

/** A place in the log, as decimal text. */
export function indexOf(text: unknown): number | undefined {
  return typeof text === 'string' && /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined;
}
