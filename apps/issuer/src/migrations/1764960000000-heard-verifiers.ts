import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When a verifier last got a lease, to some seconds. */
export class HeardVerifiers1764960000000 implements MigrationInterface {
  readonly name = 'HeardVerifiers1764960000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE verifier ADD COLUMN heard_at timestamptz NOT NULL DEFAULT now()');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE verifier DROP COLUMN heard_at');
  }
}
