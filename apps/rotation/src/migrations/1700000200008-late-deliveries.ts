import type { MigrationInterface, QueryRunner } from 'typeorm';

const statements = [
  // Until then an emergency is also for secrets that were out when it was ordered and are heard of afterwards; null = it is not.
  'ALTER TABLE campaign ADD COLUMN late_until timestamptz',
  'CREATE INDEX campaign_late ON campaign (late_until) WHERE late_until IS NOT NULL',
  // Tokens with such a secret, until the campaign has looked at them.
  'CREATE TABLE late_delivery (campaign_id text NOT NULL, token_id text NOT NULL, PRIMARY KEY (campaign_id, token_id))',
  // When the issuer said it; null = not written down, `heard_at` has to do.
  'ALTER TABLE early_event ADD COLUMN said_at timestamptz',
];

/** Secrets whose delivery is heard of after a mass emergency that it came before. */
export class LateDeliveries1700000200008 implements MigrationInterface {
  readonly name = 'LateDeliveries1700000200008';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE early_event DROP COLUMN said_at');
    await runner.query('DROP TABLE late_delivery');
    await runner.query('ALTER TABLE campaign DROP COLUMN late_until');
  }
}
