import type { MigrationInterface, QueryRunner } from 'typeorm';
import { noticeTable } from '@writ/service';

/** Notices on their way out. */
export class Notices1700000200002 implements MigrationInterface {
  readonly name = 'Notices1700000200002';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of noticeTable) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notice');
  }
}
