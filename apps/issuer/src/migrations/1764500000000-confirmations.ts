import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Automatic stops that are still to be confirmed by every verifier. */
export class Confirmations1764500000000 implements MigrationInterface {
  readonly name = 'Confirmations1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE unconfirmed_stop (
        seq bigint PRIMARY KEY,
        token_id text NOT NULL REFERENCES token,
        code text NOT NULL,
        cause text,
        stopped_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE unconfirmed_stop');
  }
}
