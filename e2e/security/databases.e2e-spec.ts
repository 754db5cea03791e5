import pg from 'pg';
import { services, type ServiceName } from '@writ/contracts';
import { stolen } from './callers.js';

const passwords = stolen<Record<string, string>>('passwords.json');
const { postgresUrl } = stolen<{ postgresUrl: string }>('backing', 'backing.json');

/** Whoever has the database password of a service, at a database. @returns the SQLSTATE of the refusal, or `done` */
async function tries(role: string, database: string, sql: string): Promise<string> {
  const url = new URL(postgresUrl);
  Object.assign(url, { username: role, password: passwords[role], pathname: `/${database}` });
  const client = new pg.Client({ connectionString: url.href, connectionTimeoutMillis: 5_000 });
  try {
    await client.connect();
    await client.query(sql);
    return 'done';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** PostgreSQL, appendix A: insufficient_privilege. */
const refused = '42501';
const forbidden = [
  'CREATE TABLE planted (x int)', 'DROP TABLE outbox', 'ALTER TABLE outbox ADD COLUMN planted int', 'TRUNCATE outbox', 'CREATE FUNCTION planted() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
  'CREATE TRIGGER planted BEFORE INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()', 'CREATE SCHEMA planted', 'CREATE ROLE planted', 'CREATE DATABASE planted',
  'SELECT 1 FROM pg_authid', `SELECT pg_read_file('/etc/passwd')`, `COPY outbox TO PROGRAM 'true'`,
];

/** What is never taken away, with a column of each table that is never changed either. */
const recorded: Partial<Record<ServiceName, [table: string, column?: string][]>> = {
  issuer: [['state_log', 'seq']], policy: [['policy_set', 'digest'], ['activation', 'activation'], ['decision', 'request_id'], ['vote', 'sub']],
  audit: [['tlog_entry', 'type'], ['checkpoint', 'size'], ['use_batch', 'seq'], ['tlog_tile']],
};
/** PostgreSQL, appendix A: restrict_violation, or raise_exception. */
const onlyGrows = ['23001', 'P0001'];

describe.each(services)('the database password of %s', (service) => {
  const role = `writ_${service}`;

  it('reads and writes its rows and changes no table, makes nothing, and reads no file (G10)', async () => {
    expect(await tries(role, role, 'SELECT 1 FROM outbox LIMIT 1')).toBe('done');
    for (const sql of forbidden) expect([sql, await tries(role, role, sql)]).toEqual([sql, refused]);
    expect(await tries(role, role, `SET ROLE ${role}_owner`)).toBe(refused);
  });

  it('enters no other service’s database (G10)', async () => {
    for (const other of services.filter((name) => name !== service)) expect([other, await tries(role, `writ_${other}`, 'SELECT 1')]).toEqual([other, refused]);
  });
});

it.each(Object.entries(recorded))('the database password of %s changes nothing that is recorded and takes nothing of it away (G8)', async (service, tables) => {
  const role = `writ_${service}`;
  for (const [table, column] of tables) {
    for (const sql of [...(column ? [`UPDATE ${table} SET ${column} = ${column}`] : []), `DELETE FROM ${table}`]) expect([sql, onlyGrows.includes(await tries(role, role, sql))]).toEqual([sql, true]);
    for (const sql of [`TRUNCATE ${table} CASCADE`, `ALTER TABLE ${table} DISABLE TRIGGER ALL`]) expect([sql, await tries(role, role, sql)]).toEqual([sql, refused]);
  }
  expect(await tries(role, role, 'SET session_replication_role = replica')).toBe(refused);
});
