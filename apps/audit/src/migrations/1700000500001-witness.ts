import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What this service has seen of other logs as their witness. */
export class Witness1700000500001 implements MigrationInterface {
  readonly name = 'Witness1700000500001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE witnessed (origin text PRIMARY KEY, size bigint NOT NULL DEFAULT 0, root bytea, note text, witnessed_at timestamptz NOT NULL DEFAULT now())`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE witnessed');
  }
}
