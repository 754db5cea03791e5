import { DataSource, type MixedList } from 'typeorm';
import { readConfig } from '@writ/process';
import { Db, Messaging1700000000000, renewCounters } from '@writ/messaging';
import { MigrationConfig } from './config.js';
import { Idempotency1700000000001, IdempotencyReceipts1700000000002 } from './idempotency.js';

/** One at a time per database; any constant will do. */
const lockId = 4_001_700;

/**
 * Brings a service's database to the newest schema, before the service starts and by another role than it runs as.
 * Several at once wait for each other. Reads `WRIT_MIGRATION_DATABASE_URL` and `WRIT_PLAIN_HOSTS`. With `--restored` the service goes on counting
 * its events under new names, as it must after a restore from a backup.
 */
export async function migrate(migrations: NonNullable<MixedList<Function>>, url = readConfig(MigrationConfig, process.env).migrationDatabaseUrl): Promise<string[]> {
  const source = new DataSource({
    type: 'postgres', url,
    migrations: [Messaging1700000000000, Idempotency1700000000001, IdempotencyReceipts1700000000002, ...Object.values(migrations)] as Function[],
  });
  await source.initialize();
  const runner = source.createQueryRunner();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [lockId]);
    const done = await source.runMigrations({ transaction: 'each' });
    await keepRowsWhole(source);
    if (process.argv.includes('--restored')) await renewCounters(new Db(runner));
    return done.map(({ name }) => name);
  } finally {
    await runner.release();
    await source.destroy();
  }
}

/**
 * Rows of a few kilobytes stay as they are. By default PostgreSQL compresses what makes a row longer than two, which
 * costs several times what writing it does; ours have signatures in them and hardly shrink.
 */
async function keepRowsWhole(source: DataSource): Promise<void> {
  await source.query(`
    DO $$ DECLARE one regclass; BEGIN
      FOR one IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
        AND NOT coalesce(reloptions::text LIKE '%toast_tuple_target%', false)
      LOOP EXECUTE format('ALTER TABLE %s SET (toast_tuple_target = 8160)', one); END LOOP;
    END $$`);
}
