import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who made a change, and when a rotation began: what a token's life is told from. Before this nobody knows. */
export class WhoActed1764980000000 implements MigrationInterface {
  readonly name = 'WhoActed1764980000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE state_log ADD COLUMN by jsonb');
    await runner.query('ALTER TABLE generation ADD COLUMN begun_at timestamptz, ADD COLUMN begun_by jsonb, ADD COLUMN claimed_by jsonb');
    await runner.query('ALTER TABLE generation ALTER COLUMN begun_at SET DEFAULT clock_timestamp()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE generation DROP COLUMN begun_at, DROP COLUMN begun_by, DROP COLUMN claimed_by');
    await runner.query('ALTER TABLE state_log DROP COLUMN by');
  }
}
