import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far a mass rotation is shows only beside how much there is. */
export class CampaignTotal1700000200007 implements MigrationInterface {
  readonly name = 'CampaignTotal1700000200007';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE campaign ADD COLUMN total int NOT NULL DEFAULT 0');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE campaign DROP COLUMN total');
  }
}
