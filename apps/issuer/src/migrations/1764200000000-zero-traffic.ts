import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When each secret was last seen, so that an old one can end as soon as nobody shows it any more. */
export class ZeroTraffic1764200000000 implements MigrationInterface {
  readonly name = 'ZeroTraffic1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE generation ADD COLUMN last_used_at timestamptz');
    await runner.query(`CREATE INDEX generation_ending ON generation (token_id) WHERE retires_at IS NOT NULL AND state <> 'retired'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX generation_ending');
    await runner.query('ALTER TABLE generation DROP COLUMN last_used_at');
  }
}
