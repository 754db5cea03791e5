import type { MigrationInterface, QueryRunner } from 'typeorm';

/** When a stop that followed from an alert was in force everywhere. */
export class Stops1764300000000 implements MigrationInterface {
  readonly name = 'Stops1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE alert ADD COLUMN stop jsonb');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE alert DROP COLUMN stop');
  }
}
