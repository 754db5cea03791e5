import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What checks said of a set, and simulations that survive the replica they began in. */
export class Simulations1700000200000 implements MigrationInterface {
  readonly name = 'Simulations1700000200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE policy_set ADD COLUMN report json');
    await runner.query(`
      CREATE TABLE simulation (
        simulation_id uuid PRIMARY KEY,
        draft_digest text NOT NULL REFERENCES policy_set,
        active_digest text NOT NULL REFERENCES policy_set,
        days int NOT NULL,
        state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed')),
        total int NOT NULL DEFAULT 0,
        done int NOT NULL DEFAULT 0,
        report json,
        error text,
        started_by jsonb NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        beat_at timestamptz NOT NULL DEFAULT '-infinity'
      )`);
    await runner.query(`CREATE INDEX simulation_running ON simulation (started_at) WHERE state = 'running'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE simulation');
    await runner.query('ALTER TABLE policy_set DROP COLUMN report');
  }
}
