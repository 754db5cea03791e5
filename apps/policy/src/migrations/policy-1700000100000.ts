import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Sets, their activations, what is known of each request, decisions, votes and trust. */
export class Policy1700000100000 implements MigrationInterface {
  readonly name = 'Policy1700000100000';

  async up(runner: QueryRunner): Promise<void> {
    await createSets(runner);
    await createRequests(runner);
    await runner.query(`
      CREATE FUNCTION keep_forever() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$`);
    for (const table of ['policy_set', 'activation', 'decision', 'vote']) {
      await runner.query(`CREATE TRIGGER keep_forever BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table} EXECUTE FUNCTION keep_forever()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE trust, vote, decision, request, proposal, active_policy_set, activation, policy_set');
    await runner.query('DROP FUNCTION keep_forever()');
  }
}

async function createSets(runner: QueryRunner): Promise<void> {
  // `json`, not `jsonb`: it keeps every text as it was sent.
  await runner.query(`
    CREATE TABLE policy_set (
      digest text PRIMARY KEY,
      files json NOT NULL,
      engine_version text NOT NULL,
      created_by jsonb NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now()
    )`);
  await runner.query(`
    CREATE TABLE activation (
      activation int PRIMARY KEY,
      policy_digest text NOT NULL REFERENCES policy_set,
      previous_digest text REFERENCES policy_set,
      loosened boolean NOT NULL,
      proposed_by jsonb,
      activated_by jsonb NOT NULL,
      statement text NOT NULL,
      activated_at timestamptz NOT NULL DEFAULT now()
    )`);
  // One row, the pointer. Who decides shares its lock until the commit; who activates takes it alone.
  await runner.query(`
    CREATE TABLE active_policy_set (
      id smallint PRIMARY KEY CHECK (id = 1),
      activation int NOT NULL,
      policy_digest text REFERENCES policy_set,
      statement text
    )`);
  await runner.query('INSERT INTO active_policy_set (id, activation) VALUES (1, 0)');
  await runner.query(`
    CREATE TABLE proposal (
      policy_digest text NOT NULL REFERENCES policy_set,
      base_activation int NOT NULL,
      proposed_by jsonb NOT NULL,
      proposed_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (policy_digest, base_activation)
    )`);
}

async function createRequests(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE TABLE request (
      request_id text PRIMARY KEY,
      request_digest text,
      state text NOT NULL CHECK (state IN ('waiting', 'held', 'approved', 'denied', 'cancelled', 'lapsed')),
      submission json,
      require jsonb,
      opened_at timestamptz NOT NULL DEFAULT now(),
      lapses_at timestamptz,
      closed_at timestamptz
    )`);
  await runner.query(`CREATE INDEX request_waiting ON request (opened_at) WHERE state = 'waiting'`);
  await runner.query(`CREATE INDEX request_held ON request (lapses_at) WHERE state = 'held'`);
  await runner.query('CREATE INDEX request_reviewed ON request (request_id DESC) WHERE require IS NOT NULL');
  await runner.query(`
    CREATE TABLE decision (
      request_id text NOT NULL,
      ordinal smallint NOT NULL,
      request_digest text NOT NULL,
      activation int NOT NULL,
      policy_digest text NOT NULL,
      outcome text NOT NULL CHECK (outcome IN ('approve', 'hold', 'deny')),
      record text NOT NULL,
      statement text NOT NULL,
      decided_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (request_id, ordinal)
    )`);
  await runner.query('CREATE INDEX decision_decided ON decision USING brin (decided_at)');
  await runner.query(`
    CREATE TABLE vote (
      request_id text NOT NULL REFERENCES request,
      iss text NOT NULL,
      sub text NOT NULL,
      groups jsonb NOT NULL,
      vote text NOT NULL CHECK (vote IN ('approve', 'deny')),
      reason text NOT NULL,
      narrow jsonb,
      statement text NOT NULL,
      cast_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (request_id, iss, sub)
    )`);
  await runner.query(`
    CREATE TABLE trust (
      owner_id text PRIMARY KEY,
      open_incidents int NOT NULL,
      code text NOT NULL,
      since timestamptz NOT NULL,
      version int NOT NULL
    )`);
}
