import type { MigrationInterface, QueryRunner } from 'typeorm';
import { noticeTable } from '@writ/service';

/** Notices on their way out. */
export class Notices1764700000000 implements MigrationInterface {
  readonly name = 'Notices1764700000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of noticeTable) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notice');
  }
}
