import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Beside a gateway's secret the one before it, for as long as both may be used. */
export class GatewaySecrets1764700000000 implements MigrationInterface {
  readonly name = 'GatewaySecrets1764700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE gateway ADD COLUMN previous_digest bytea, ADD COLUMN previous_ends_at timestamptz(3),
      ADD CONSTRAINT previous_has_an_end CHECK ((previous_digest IS NULL) = (previous_ends_at IS NULL))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE gateway DROP COLUMN previous_digest, DROP COLUMN previous_ends_at');
  }
}
