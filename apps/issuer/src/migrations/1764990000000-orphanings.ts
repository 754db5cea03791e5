import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When tokens were offered because their owner left: a token forgets it when somebody takes it over, its life does not. Before this nobody knows. */
export class Orphanings1764990000000 implements MigrationInterface {
  readonly name = 'Orphanings1764990000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE orphaning (
        token_id text NOT NULL,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        owner_id text NOT NULL,
        ends_at timestamptz(3) NOT NULL,
        PRIMARY KEY (token_id, at)
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE orphaning');
  }
}
