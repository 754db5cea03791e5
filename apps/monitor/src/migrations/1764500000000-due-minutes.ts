import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is due is found by its time: a round of the roll-up reads no minute that is not over. Appended in order, the index stays cheap to keep. */
export class DueMinutes1764500000000 implements MigrationInterface {
  readonly name = 'DueMinutes1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX usage_minute_at ON usage_minute (at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX usage_minute_at');
  }
}
