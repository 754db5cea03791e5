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
  /** The value of a parameter that is there, or a problem where it cannot be read. */
  const read = <Value>(name: keyof EntryQuery, reader: (given: unknown) => Value | undefined, rule: string): Value | undefined => {
    const given = query[name];
    if (given === undefined || given === '') return undefined;
    const value = reader(given);
    if (value === undefined) problems.push({ pointer: `/${name}`, message: `${name} is ${rule}` });
    return value;
  };
  const filter: EntryFilter = {
    ...Object.fromEntries(texts.map((name) => [name, read(name, textOf, 'one text of at most 256 characters')])),
    from: read('from', timeOf, 'a time such as 2026-01-31T12:00:00Z'),
    to: read('to', timeOf, 'a time such as 2026-01-31T12:00:00Z'),
    before: read('cursor', indexOf, 'the next of an earlier answer'),
    limit: read('limit', limitOf, `1 to ${mostItems}`) ?? defaultItems,
  };
  if (problems.length > 0) throw invalid(problems);
  return filter;
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= 256 && !value.includes('\u0000') ? value : undefined;
}

function timeOf(value: unknown): Date | undefined {
  const time = typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? new Date(value) : undefined;
  return time && !Number.isNaN(time.getTime()) ? time : undefined;
}

function limitOf(value: unknown): number | undefined {
  const limit = indexOf(value);
  return limit !== undefined && limit >= 1 && limit <= mostItems ? limit : undefined;
}

/** A place in the log, as decimal text. */
export function indexOf(text: unknown): number | undefined {
  return typeof text === 'string' && /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined;
}
