import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Stops that were asked for and did not come, and when they were last asked for. */
export class BlockedStops1764400000000 implements MigrationInterface {
  readonly name = 'BlockedStops1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE alert ADD COLUMN blocked jsonb, ADD COLUMN proposed_at timestamptz NOT NULL DEFAULT now()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE alert DROP COLUMN blocked, DROP COLUMN proposed_at');
  }
}
