import type { MigrationInterface, QueryRunner } from 'typeorm';

/** From where each token is used, and uses of retired secrets that wait to be judged. */
export class Tripwire1764300000000 implements MigrationInterface {
  readonly name = 'Tripwire1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE caller (
        token_id text NOT NULL REFERENCES token,
        network text NOT NULL,
        first_seen_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (token_id, network)
      )`);
    await runner.query(`
      CREATE TABLE retired_use (
        token_id text NOT NULL REFERENCES token,
        generation int NOT NULL,
        network text NOT NULL,
        gateway text NOT NULL,
        used_at timestamptz NOT NULL,
        noted_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (token_id, generation, network)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE retired_use, caller');
  }
}
