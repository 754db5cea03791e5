import { DataSource } from 'typeorm';
import pg from 'pg';
import { Transactions, type Db } from '@writ/messaging';
import { TestBench } from '@writ/testing';

interface Stores {
  takeDueRotations(db: Db, limit: number): Promise<object[]>;
  lockDueNotices(db: Db, limit: number): Promise<object[]>;
  takeDueWatches(db: Db, limit: number): Promise<object[]>;
}

const built = (file: string) => new URL(`../../../apps/rotation/dist/${file}`, import.meta.url).href;

/** The rotation service's own statements on a database of its own, without the service around them. */
export interface Calendar {
  bench: TestBench;
  sql: pg.Client;
  env: NodeJS.ProcessEnv;
  transactions: Transactions<'rotation'>;
  stores: Stores;
  drop(): Promise<void>;
}

export async function openCalendar(): Promise<Calendar> {
  const bench = await TestBench.create();
  const migrations = (await import(built('migrations/index.js'))) as never;
  const env = await bench.env('rotation', migrations);
  const source = await new DataSource({ type: 'postgres', url: env.WRIT_DATABASE_URL }).initialize();
  const sql = new pg.Client({ connectionString: bench.database('rotation').adminUrl });
  await sql.connect();
  const stores = { ...((await import(built('token.store.js'))) as object), ...((await import(built('rotation.store.js'))) as object) } as Stores;
  return {
    bench, sql, env, stores, transactions: new Transactions(source, 'rotation'),
    drop: async () => {
      await source.destroy();
      await sql.end();
      await bench.drop();
    },
  };
}

/** Fills the calendar with tokens whose secrets are out; `rotateIn` says when each is due, as an SQL interval. */
export async function fill({ sql }: Calendar, count: number, rotateIn: string): Promise<void> {
  await sql.query(
    `INSERT INTO token (token_id, owner, claimant, issued_at, expires_at, rotate_seconds, grace_seconds, secret_since, rotate_at, notice_at)
     SELECT 'tok_' || lpad(n::text, 26, '0'), '{"id":"svc:a","team":"orders"}', '{"iss":"https://id.example","sub":"svc:a"}', now() - interval '1 day',
       now() + interval '300 days' + n * interval '1 millisecond', 2592000, 86400, now() - interval '1 day', now() + ${rotateIn}, now() + interval '270 days'
     FROM generate_series(1, $1) AS n`, [count],
  );
  await sql.query('VACUUM ANALYZE token');
  await sql.query('CHECKPOINT');
}
