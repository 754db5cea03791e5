import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which findings were said on the bus, so that several replicas say each once. */
export class ToldFindings1700000500002 implements MigrationInterface {
  readonly name = 'ToldFindings1700000500002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE TABLE told_finding (finding text PRIMARY KEY, told_at timestamptz NOT NULL DEFAULT now())');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE told_finding');
  }
}
