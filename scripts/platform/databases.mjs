import pg from 'pg';
import { Problem } from '../backing/problem.mjs';

const connectTimeoutMs = 10_000;
export const databaseName = (service) => `writ_${service}`;
export const ownerName = (service) => `writ_${service}_owner`;

/**
 * Gives each service a database, an owner that migrates it and a role that runs on it: the latter reads and writes
 * rows and cannot change a table. Safe to repeat; passwords are set anew.
 *
 * @param {{superuserUrl: string, services: {name: string, password: string, ownerPassword: string}[]}} wanted
 */
export async function provisionDatabases({ superuserUrl, services }) {
  await withClient(superuserUrl, async (client) => {
    for (const { name, password, ownerPassword } of services) {
      await ensureRole(client, databaseName(name), password);
      await ensureRole(client, ownerName(name), ownerPassword);
      const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [databaseName(name)]);
      // Only a member may hand over ownership, unless it is the superuser.
      await client.query(`GRANT ${ownerName(name)} TO CURRENT_USER`);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${databaseName(name)} OWNER ${ownerName(name)}`);
      await client.query(`REVOKE ALL ON DATABASE ${databaseName(name)} FROM PUBLIC`);
      await client.query(`GRANT CONNECT ON DATABASE ${databaseName(name)} TO ${databaseName(name)}`);
    }
  });
  for (const { name } of services) await withClient(inDatabase(superuserUrl, databaseName(name)), (client) => limitRights(client, name));
}

async function ensureRole(client, role, password) {
  const { rowCount } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [role]);
  await client.query(`${rowCount === 0 ? 'CREATE' : 'ALTER'} ROLE ${role} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
}

async function limitRights(client, service) {
  const [runtime, owner] = [databaseName(service), ownerName(service)];
  await client.query(`ALTER SCHEMA public OWNER TO ${owner}`);
  await client.query('REVOKE ALL ON SCHEMA public FROM PUBLIC');
  await client.query(`GRANT USAGE ON SCHEMA public TO ${runtime}`);
  await client.query(`ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${runtime}`);
  await client.query(`ALTER DEFAULT PRIVILEGES FOR ROLE ${owner} IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO ${runtime}`);
}

async function withClient(url, work) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: connectTimeoutMs });
  await client.connect().catch((cause) => {
    const { host } = new URL(url);
    throw new Problem(`PostgreSQL at ${host} refuses: ${cause.message}.`, 'Check WRIT_BACKING_POSTGRES_URL: it names a user that may create roles and databases.', { cause });
  });
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** The same server, another database; with `user` and `password` as somebody else. */
export function inDatabase(url, database, user, password) {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  if (user !== undefined) { changed.username = user; changed.password = password; }
  return changed.href;
}
