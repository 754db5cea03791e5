import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The end of every token's history, kept as entries come, and the heads as they were last sealed, in pages of 256: both
 * spare reading the whole log. What a token's former owners left stands under subjects of their own. The last note that a
 * quorum of witnesses cosigned.
 */
export class Heads1700000500003 implements MigrationInterface {
  readonly name = 'Heads1700000500003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE token_head (
        log_id smallint NOT NULL, token_id text COLLATE "C" NOT NULL, seq bigint NOT NULL, k int NOT NULL, PRIMARY KEY (log_id, token_id)
      ) WITH (fillfactor = 70)`);
    await runner.query(`
      INSERT INTO token_head (log_id, token_id, seq, k)
      SELECT log_id, token_id, max(seq), coalesce(max(k), 0) FROM tlog_entry WHERE token_id IS NOT NULL GROUP BY log_id, token_id`);
    // The heads of the first \`sealed_size\` entries: lines of \`<token> <index> <k>\`, and the RFC 6962 root over the page.
    await runner.query(`
      CREATE TABLE sealed_heads (
        log_id smallint NOT NULL, sealed_size bigint NOT NULL, page int NOT NULL, first_token text COLLATE "C" NOT NULL, heads text NOT NULL, root bytea NOT NULL,
        PRIMARY KEY (log_id, sealed_size, page)
      )`);
    await runner.query('CREATE INDEX sealed_heads_token ON sealed_heads (log_id, sealed_size, first_token)');
    await runner.query('ALTER TABLE subject ADD COLUMN former_ref bytea');
    await runner.query('CREATE INDEX subject_former ON subject (former_ref) WHERE former_ref IS NOT NULL');
    await runner.query('CREATE TABLE cosigned (log_id smallint PRIMARY KEY, size bigint NOT NULL, note text NOT NULL)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE token_head, sealed_heads, cosigned');
    await runner.query('ALTER TABLE subject DROP COLUMN former_ref');
  }
}
