import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Notices on their way out, reminders, and what makes two reviews alike. */
export class Notices1700000300000 implements MigrationInterface {
  readonly name = 'Notices1700000300000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE request ADD COLUMN alike_key text, ADD COLUMN reminded_at timestamptz, ADD COLUMN escalated_at timestamptz');
    await runner.query(`CREATE INDEX request_alike ON request (alike_key, request_id) WHERE state = 'held'`);
    await runner.query(`
      CREATE TABLE notice (
        notice_id text NOT NULL,
        endpoint text NOT NULL,
        body text NOT NULL,
        state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'failed')),
        attempts int NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT now(),
        created_at timestamptz NOT NULL DEFAULT now(),
        last_error text,
        PRIMARY KEY (notice_id, endpoint)
      )`);
    await runner.query(`CREATE INDEX notice_due ON notice (next_at) WHERE state = 'waiting'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notice');
    await runner.query('ALTER TABLE request DROP COLUMN alike_key, DROP COLUMN reminded_at, DROP COLUMN escalated_at');
  }
}
