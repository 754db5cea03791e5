import { Client } from 'pg';
import type { MixedList } from 'typeorm';
import { migrate } from '@writ/service';
import { backingUrls, uniqueName } from './backing.js';

export interface TestDatabase {
  /** As the service connects: rows may be read and written, tables not changed. */
  url: string;
  /** As the superuser connects, for whoever plays the insider. */
  adminUrl: string;
  query<Row = Record<string, unknown>>(sql: string, parameters?: unknown[]): Promise<Row[]>;
  drop(): Promise<void>;
}

/** Makes a database of its own with the service's schema, and a role that may do no more than the service may. */
export async function testDatabase(migrations: NonNullable<MixedList<Function>>): Promise<TestDatabase> {
  const { postgres } = backingUrls();
  const name = uniqueName('writ_test');
  await once(postgres, async (admin) => {
    await admin.query(`CREATE ROLE ${name} LOGIN PASSWORD 'test'`);
    await admin.query(`CREATE DATABASE ${name}`);
  });
  const adminUrl = withPath(postgres, name);
  await once(adminUrl, async (owner) => {
    await owner.query(`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${name}`);
    await owner.query(`ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO ${name}`);
  });
  await migrate(migrations, adminUrl);
  const url = new URL(adminUrl);
  url.username = name;
  url.password = 'test';
  const client = new Client({ connectionString: adminUrl });
  client.on('error', () => undefined); // The server may be restarted by a test.
  await client.connect();
  return {
    url: url.toString(),
    adminUrl,
    query: async <Row>(sql: string, parameters: unknown[] = []) => (await client.query(sql, parameters)).rows as Row[],
    drop: async () => {
      await client.end().catch(() => undefined);
      await once(postgres, async (admin) => {
        await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
        await admin.query(`DROP ROLE IF EXISTS ${name}`);
      });
    },
  };
}

async function once(url: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

function withPath(url: string, path: string): string {
  const changed = new URL(url);
  changed.pathname = `/${path}`;
  return changed.toString();
}
