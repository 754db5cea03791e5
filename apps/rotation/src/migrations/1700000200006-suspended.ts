import type { MigrationInterface, QueryRunner } from 'typeorm';

const rotateIndex = (where: string) => ['DROP INDEX token_rotate', `CREATE INDEX token_rotate ON token (rotate_at) WHERE ${where}`];

/** A suspended token keeps its date, and costs a tick nothing; of two owners the later one counts. */
export class Suspended1700000200006 implements MigrationInterface {
  readonly name = 'Suspended1700000200006';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of rotateIndex('rotate_at IS NOT NULL AND NOT suspended')) await runner.query(statement);
    await runner.query('ALTER TABLE token ADD COLUMN owner_seq bigint NOT NULL DEFAULT 0');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE token DROP COLUMN owner_seq');
    for (const statement of rotateIndex('rotate_at IS NOT NULL')) await runner.query(statement);
  }
}
