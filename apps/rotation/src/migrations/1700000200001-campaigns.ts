import type { MigrationInterface, QueryRunner } from 'typeorm';

const statements = [
  'ALTER TABLE token ADD COLUMN resource text, ADD COLUMN environment text',
  'ALTER TABLE rotation ADD COLUMN campaign_id text',
  'CREATE INDEX rotation_campaign ON rotation (campaign_id, state) WHERE campaign_id IS NOT NULL',
  `CREATE TABLE campaign (
    campaign_id text PRIMARY KEY,
    cause text NOT NULL,
    reason text NOT NULL,
    requested_by jsonb NOT NULL,
    filter jsonb NOT NULL,
    started_at timestamptz NOT NULL,
    reached text NOT NULL DEFAULT '', -- the last token that was looked at
    seen int NOT NULL DEFAULT 0,
    skipped int NOT NULL DEFAULT 0,
    spread_at timestamptz -- when all had been looked at
  )`,
];

export class Campaigns1700000200001 implements MigrationInterface {
  readonly name = 'Campaigns1700000200001';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE campaign');
    await runner.query('ALTER TABLE rotation DROP COLUMN campaign_id');
    await runner.query('ALTER TABLE token DROP COLUMN resource, DROP COLUMN environment');
  }
}
