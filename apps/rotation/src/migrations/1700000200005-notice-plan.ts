import type { MigrationInterface, QueryRunner } from 'typeorm';

const statements = [
  'ALTER TABLE token ADD COLUMN told_seconds int', // the shortest lead time that its owner was told of its end at
  `CREATE TABLE notice_plan (
    leads int[] NOT NULL, -- the lead times that tokens are planned for, in seconds
    reached text -- the last token that was planned; null = all were
  )`,
  // What has come by now was told, or is not worth telling any more.
  `UPDATE token SET told_seconds = greatest(0, extract(epoch FROM expires_at - now())) WHERE ended_at IS NULL`,
  // One row for ever. No lead times yet: whatever the first replica is configured for is news.
  `INSERT INTO notice_plan (leads) VALUES ('{}')`,
];

/** What was told of tokens' ends, so that lead times may change. */
export class NoticePlan1700000200005 implements MigrationInterface {
  readonly name = 'NoticePlan1700000200005';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE notice_plan');
    await runner.query('ALTER TABLE token DROP COLUMN told_seconds');
  }
}
