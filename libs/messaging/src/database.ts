import DataLoader from 'dataloader';
import type { EntityManager, QueryRunner } from 'typeorm';

/** A query for many keys at once; see {@link Db.one}. */
export interface Lookup<Row> {
  /** `$1` is the array of keys. */
  sql: string;
  keyOf: (row: Row) => string;
}

export function lookup<Row>(sql: string, keyOf: (row: Row) => string): Lookup<Row> {
  return { sql, keyOf };
}

type Columns = Record<string, unknown>;
interface Update { key: Columns; set: Columns }

/** A change expected a row that is not there or no longer has that version. The message is tried again. */
export class ConcurrentChange extends Error {
  constructor(table: string, expected: number, found: number) {
    super(`${expected} rows of ${table} were to change, ${found} did: somebody else changed them first.`);
    this.name = 'ConcurrentChange';
  }
}

/**
 * What a store sees of a transaction. Handlers of one batch share it: their reads are gathered into one query per
 * lookup, their writes into one statement per table, so that a handler for one message costs a share of a round trip.
 * Writes are visible to queries after {@link flush}, which runs between handlers of the same subject and before commit.
 */
export class Db {
  private readonly loaders = new Map<Lookup<never>, DataLoader<string, unknown[]>>();
  private last: Promise<unknown> = Promise.resolve();
  private inserts = new Map<string, Columns[]>();
  private updates = new Map<string, { table: string; keys: string[]; sets: string[]; rows: Update[] }>();

  constructor(private readonly runner: QueryRunner) {}

  /** TypeORM's manager, for ways that are not hot. */
  get manager(): EntityManager {
    return this.runner.manager;
  }

  /** Runs one statement at once. `RETURNING` rows of INSERT, UPDATE and DELETE are returned like those of SELECT. */
  async query<Row = Columns>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    // One connection runs one statement at a time; handlers that are side by side queue here and not in the driver.
    const turn = this.last.then(() => this.runner.query(sql, parameters, true) as Promise<{ records?: Row[]; raw: Row[] }>);
    this.last = turn.catch(() => undefined);
    const result = await turn;
    return result.records ?? result.raw ?? [];
  }

  /** The row of a key; keys asked for in the same turn of the event loop go to the database together. */
  async one<Row>(find: Lookup<Row>, key: string): Promise<Row | undefined> {
    return (await this.many(find, key))[0];
  }

  /** All rows of a key, gathered like {@link one}. */
  async many<Row>(find: Lookup<Row>, key: string): Promise<Row[]> {
    let loader = this.loaders.get(find);
    if (!loader) {
      loader = new DataLoader((keys) => this.load(find, keys), { cache: false });
      this.loaders.set(find, loader);
    }
    return (await loader.load(key)) as Row[];
  }

  /** Adds a row with the next flush. A conflict fails the flush, and with it the messages of this turn. */
  insert(table: string, row: Columns): void {
    const kind = `${table}(${Object.keys(row).join()})`;
    const rows = this.inserts.get(kind);
    if (rows) rows.push(row);
    else this.inserts.set(kind, [row]);
  }

  /**
   * Changes exactly one row with the next flush. Every column of `key` must still have the given value, so a version
   * there makes it a compare-and-set.
   * @throws ConcurrentChange at the flush, where a row does not match
   */
  update(table: string, key: Columns, set: Columns): void {
    const keys = Object.keys(key);
    const sets = Object.keys(set);
    const kind = `${table}(${keys.join()})(${sets.join()})`;
    const group = this.updates.get(kind) ?? { table, keys, sets, rows: [] };
    group.rows.push({ key, set });
    this.updates.set(kind, group);
  }

  /** Writes what was gathered. */
  async flush(): Promise<void> {
    const { inserts, updates } = this;
    if (inserts.size === 0 && updates.size === 0) return;
    this.inserts = new Map();
    this.updates = new Map();
    for (const [kind, rows] of inserts) {
      const table = kind.slice(0, kind.indexOf('('));
      const columns = Object.keys(rows[0] ?? {}).map(quoted).join();
      await this.query(
        `INSERT INTO ${quoted(table)} (${columns}) SELECT ${columns} FROM json_populate_recordset(NULL::${quoted(table)}, $1::json)`,
        [toJson(rows)],
      );
    }
    for (const { table, keys, sets, rows } of updates.values()) {
      const changed = await this.query(
        `UPDATE ${quoted(table)} t SET ${sets.map((c) => `${quoted(c)} = (s.r).${quoted(c)}`).join()}
         FROM (SELECT json_populate_record(NULL::${quoted(table)}, e->'key') k, json_populate_record(NULL::${quoted(table)}, e->'set') r
               FROM json_array_elements($1::json) e OFFSET 0) s
         WHERE ${keys.map((c) => `t.${quoted(c)} = (s.k).${quoted(c)}`).join(' AND ')} RETURNING 1`,
        [JSON.stringify(rows.map(({ key, set }) => ({ key: sqlColumns(key), set: sqlColumns(set) })))],
      );
      if (changed.length !== rows.length) throw new ConcurrentChange(table, rows.length, changed.length);
    }
  }

  private async load<Row>(find: Lookup<Row>, keys: readonly string[]): Promise<Row[][]> {
    const found = new Map<string, Row[]>();
    for (const row of await this.query<Row>(find.sql, [[...new Set(keys)]])) {
      const key = find.keyOf(row);
      const rows = found.get(key);
      if (rows) rows.push(row);
      else found.set(key, [row]);
    }
    return keys.map((key) => found.get(key) ?? []);
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Rows as JSON that PostgreSQL reads back by the table's own column types; columns of bytes in its hexadecimal form. */
export function toJson(rows: readonly object[]): string {
  return JSON.stringify(rows.map((row) => sqlColumns(row as Columns)));
}

/** Bytes deeper inside a JSON column are not looked for: they have no place there. */
function sqlColumns(row: Columns): Columns {
  let copy: Columns | undefined;
  for (const [name, value] of Object.entries(row)) {
    if (!(value instanceof Uint8Array)) continue;
    copy ??= { ...row };
    copy[name] = `\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
  }
  return copy ?? row;
}
