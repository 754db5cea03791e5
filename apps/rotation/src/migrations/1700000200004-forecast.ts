import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a forecast of people's work counts by: whether a successor is to be fetched, and whether people had to approve. */
export class Forecast1700000200004 implements MigrationInterface {
  readonly name = 'Forecast1700000200004';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token ADD COLUMN sealed boolean NOT NULL DEFAULT false, ADD COLUMN approvers int NOT NULL DEFAULT 0');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token DROP COLUMN sealed, DROP COLUMN approvers');
  }
}
