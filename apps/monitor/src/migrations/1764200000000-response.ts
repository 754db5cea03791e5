import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far the active policy set lets the monitor go by itself. */
export class Response1764200000000 implements MigrationInterface {
  readonly name = 'Response1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE response (
      one boolean PRIMARY KEY DEFAULT true CHECK (one),
      activation int NOT NULL,
      policy_digest text NOT NULL,
      rules jsonb NOT NULL
    )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE response');
  }
}
