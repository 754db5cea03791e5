import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When a leak was reported whose stop is still to be confirmed: the wait before the stop counts too. */
export class ReportedLeaks1764900000000 implements MigrationInterface {
  readonly name = 'ReportedLeaks1764900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE unconfirmed_stop ADD COLUMN reported_at timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE unconfirmed_stop DROP COLUMN reported_at');
  }
}
