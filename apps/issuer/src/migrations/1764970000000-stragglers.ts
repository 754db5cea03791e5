import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Known callers that show a secret which has ended, and when that was last said. */
export class Stragglers1764970000000 implements MigrationInterface {
  readonly name = 'Stragglers1764970000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE straggler (
        token_id text NOT NULL,
        generation int NOT NULL,
        network text NOT NULL,
        said_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (token_id, generation, network)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE straggler');
  }
}
