import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Requests carry the key that their secret is sealed to, bound by the signed digest: the issuer needs no register of its own. */
export class OneRegisterOfKeys1764600000000 implements MigrationInterface {
  readonly name = 'OneRegisterOfKeys1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE sealing_key');
    await runner.query('ALTER TABLE token DROP COLUMN delivery_key');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token ADD COLUMN delivery_key text');
    await runner.query(`
      CREATE TABLE sealing_key (
        thumbprint text NOT NULL, owner text NOT NULL, key_id text NOT NULL, jwk jsonb NOT NULL, registered_by jsonb NOT NULL,
        registered_at timestamptz NOT NULL DEFAULT now(), mac bytea NOT NULL, mac_kid text NOT NULL, PRIMARY KEY (owner, key_id)
      )`);
    await runner.query('CREATE UNIQUE INDEX sealing_key_thumbprint ON sealing_key (owner, thumbprint)');
  }
}
