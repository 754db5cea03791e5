import type { MigrationInterface, QueryRunner } from 'typeorm';
import { noticeTable } from '@writ/service';

/** Notices on their way out, reminders, and what makes two reviews alike. */
export class Notices1700000300000 implements MigrationInterface {
  readonly name = 'Notices1700000300000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE request ADD COLUMN alike_key text, ADD COLUMN reminded_at timestamptz, ADD COLUMN escalated_at timestamptz');
    await runner.query(`CREATE INDEX request_alike ON request (alike_key, request_id) WHERE state = 'held'`);
    for (const statement of noticeTable) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notice');
    await runner.query('ALTER TABLE request DROP COLUMN alike_key, DROP COLUMN reminded_at, DROP COLUMN escalated_at');
  }
}
