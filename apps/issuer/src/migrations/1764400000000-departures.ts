import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Owners who left, and until when their tokens wait for somebody to take them over. */
export class Departures1764400000000 implements MigrationInterface {
  readonly name = 'Departures1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE departure (
        owner_id text PRIMARY KEY,
        deactivated_at timestamptz NOT NULL,
        ends_at timestamptz NOT NULL,
        transfer_to jsonb,
        state text NOT NULL CHECK (state IN ('offering', 'waiting', 'ended'))
      )`);
    await runner.query(`CREATE INDEX departure_due ON departure (ends_at) WHERE state <> 'ended'`);
    await runner.query('ALTER TABLE token ADD COLUMN orphaned_until timestamptz(3)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token DROP COLUMN orphaned_until');
    await runner.query('DROP TABLE departure');
  }
}
