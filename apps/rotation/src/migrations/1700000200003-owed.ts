import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tokens whose secret is known to who had them before. */
export class Owed1700000200003 implements MigrationInterface {
  readonly name = 'Owed1700000200003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token ADD COLUMN owed boolean NOT NULL DEFAULT false');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token DROP COLUMN owed');
  }
}
