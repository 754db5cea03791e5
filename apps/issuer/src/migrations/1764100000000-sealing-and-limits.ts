import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keys that secrets are sealed to, and limits that an approval puts on a token. */
export class SealingAndLimits1764100000000 implements MigrationInterface {
  readonly name = 'SealingAndLimits1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE sealing_key (
        thumbprint text NOT NULL,
        owner text NOT NULL,
        key_id text NOT NULL,
        jwk jsonb NOT NULL,
        registered_by jsonb NOT NULL,
        registered_at timestamptz NOT NULL DEFAULT now(),
        mac bytea NOT NULL,
        mac_kid text NOT NULL,
        PRIMARY KEY (owner, key_id)
      )`);
    await runner.query('CREATE UNIQUE INDEX sealing_key_thumbprint ON sealing_key (owner, thumbprint)');
    // Every token that an epoch up to here ended is known to have ended.
    await runner.query('CREATE TABLE epoch_swept (one boolean PRIMARY KEY DEFAULT true CHECK (one), seq bigint NOT NULL)');
    await runner.query('INSERT INTO epoch_swept (seq) VALUES (0)');
    await runner.query(`CREATE INDEX state_log_epochs ON state_log (seq) WHERE kind = 'epoch'`);
    await runner.query('ALTER TABLE token ADD COLUMN networks text[], ADD COLUMN rate_per_minute int');
    await runner.query('CREATE INDEX token_replaces ON token (replaces) WHERE replaces IS NOT NULL');
    await runner.query(`CREATE INDEX token_issue_seq ON token (issue_seq) WHERE state IN ('issued', 'active', 'suspended')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX token_issue_seq, token_replaces');
    await runner.query('ALTER TABLE token DROP COLUMN networks, DROP COLUMN rate_per_minute');
    await runner.query('DROP INDEX state_log_epochs');
    await runner.query('DROP TABLE sealing_key, epoch_swept');
  }
}
