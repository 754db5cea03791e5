import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The log and what lies beside it. Triggers keep the append-only tables append-only for every role, so that a mistake
 * is refused; they are no evidence against a superuser, who can switch them off. The tree is.
 */
export class AuditLog1700000500000 implements MigrationInterface {
  readonly name = 'AuditLog1700000500000';

  async up(runner: QueryRunner): Promise<void> {
    await createLog(runner);
    await createPersonal(runner);
    await refuseChanges(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE use_record, use_batch, disclosure, subject, checkpoint, tlog_tile, tlog_entry, tlog');
    await runner.query('DROP FUNCTION refuse_change');
  }
}

async function createLog(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE TABLE tlog (
      log_id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      origin text NOT NULL UNIQUE,
      size bigint NOT NULL DEFAULT 0,
      root bytea NOT NULL,
      recorded_at timestamptz NOT NULL DEFAULT '-infinity'
    ) WITH (fillfactor = 50)`);
  // The leaf is the evidence; the other columns are an index to it, checked against it by the monitor.
  await runner.query(`
    CREATE TABLE tlog_entry (
      log_id smallint NOT NULL REFERENCES tlog,
      seq bigint NOT NULL,
      event_id text NOT NULL,
      digest bytea, -- of the event as it came; NULL where the entry was recovered from published files
      type text NOT NULL,
      token_id text,
      request_id text,
      k int,
      recorded_at timestamptz NOT NULL,
      leaf bytea NOT NULL,
      PRIMARY KEY (log_id, seq)
    )`);
  await runner.query('CREATE UNIQUE INDEX tlog_entry_event ON tlog_entry (log_id, event_id)');
  await runner.query('CREATE INDEX tlog_entry_token ON tlog_entry (log_id, token_id, seq) WHERE token_id IS NOT NULL');
  await runner.query('CREATE INDEX tlog_entry_request ON tlog_entry (log_id, request_id, seq) WHERE request_id IS NOT NULL');
  await runner.query('CREATE INDEX tlog_entry_type ON tlog_entry (log_id, type, seq)');
  await runner.query(`
    CREATE TABLE tlog_tile (
      log_id smallint NOT NULL REFERENCES tlog,
      level smallint NOT NULL,
      n bigint NOT NULL,
      w smallint NOT NULL CHECK (w BETWEEN 1 AND 256),
      data bytea NOT NULL,
      PRIMARY KEY (log_id, level, n)
    )`);
  await runner.query('ALTER TABLE tlog_tile ALTER COLUMN data SET STORAGE EXTERNAL'); // Hashes do not compress.
  await runner.query(`
    CREATE TABLE checkpoint (
      log_id smallint NOT NULL REFERENCES tlog,
      size bigint NOT NULL,
      root bytea NOT NULL,
      note text NOT NULL,
      cosignatures int NOT NULL DEFAULT 0,
      published_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (log_id, size)
    )`);
  await runner.query('CREATE INDEX checkpoint_time ON checkpoint (log_id, published_at)');
}

async function createPersonal(runner: QueryRunner): Promise<void> {
  // ref is the SHA-256 of the subject's name; a request's and a token's parent is the person it belongs to.
  await runner.query(`
    CREATE TABLE subject (
      subject_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      ref bytea NOT NULL UNIQUE,
      parent_ref bytea,
      key bytea NOT NULL
    )`);
  await runner.query('CREATE INDEX subject_parent ON subject (parent_ref) WHERE parent_ref IS NOT NULL');
  await runner.query(`
    CREATE TABLE disclosure (
      log_id smallint NOT NULL,
      seq bigint NOT NULL,
      subject_id bigint NOT NULL,
      box bytea NOT NULL,
      PRIMARY KEY (log_id, seq, subject_id)
    )`);
  await runner.query('CREATE INDEX disclosure_subject ON disclosure (subject_id, seq)');
  await runner.query(`
    CREATE TABLE use_batch (log_id smallint NOT NULL, seq bigint NOT NULL, hashes bytea NOT NULL, PRIMARY KEY (log_id, seq))`);
  await runner.query('ALTER TABLE use_batch ALTER COLUMN hashes SET STORAGE EXTERNAL');
  await runner.query(`
    CREATE TABLE use_record (
      log_id smallint NOT NULL,
      seq bigint NOT NULL,
      subject_id bigint NOT NULL,
      box bytea NOT NULL,
      PRIMARY KEY (log_id, seq, subject_id)
    )`);
  await runner.query('CREATE INDEX use_record_subject ON use_record (subject_id, seq)');
}

async function refuseChanges(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'This table only grows.' USING ERRCODE = 'restrict_violation'; END $$`);
  for (const table of ['tlog_entry', 'checkpoint', 'use_batch']) {
    await runner.query(`
      CREATE TRIGGER only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }
  await runner.query(`
    CREATE TRIGGER only_grows BEFORE DELETE OR TRUNCATE ON tlog_tile FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
}
