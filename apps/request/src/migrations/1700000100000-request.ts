import type { MigrationInterface, QueryRunner } from 'typeorm';

const statements = [
  `CREATE TABLE upstream (
    name text PRIMARY KEY,
    subject text UNIQUE,
    registration jsonb NOT NULL,
    registered_by jsonb NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE sealing_key (
    name text PRIMARY KEY, -- owner, a blank, key id
    owner text NOT NULL,
    key_id text NOT NULL,
    thumbprint text NOT NULL,
    jwk jsonb NOT NULL,
    registered_by jsonb NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now()
  )`,
  // What happened to a request stands in one column per fact. Each is written once, in whatever order events come,
  // and the status follows from them all: no order of arrival can leave another status behind.
  `CREATE TABLE request (
    request_id text PRIMARY KEY,
    submission_key text NOT NULL UNIQUE, -- source, a slash, submission id
    source text NOT NULL,
    submission_id text NOT NULL,
    upstream text,
    body_digest text NOT NULL,
    request_digest text NOT NULL,
    requester_id text NOT NULL,
    team text NOT NULL,
    claimant_iss text NOT NULL,
    claimant_sub text NOT NULL,
    accepted jsonb NOT NULL,
    accepted_at timestamptz NOT NULL,
    held jsonb,
    approved jsonb,
    denied jsonb,
    lapsed_at timestamptz,
    cancelled jsonb,
    issue_refused jsonb,
    token_id text,
    issued jsonb,
    delivered_at timestamptz,
    status text NOT NULL GENERATED ALWAYS AS (CASE
      WHEN cancelled IS NOT NULL THEN 'cancelled'
      WHEN delivered_at IS NOT NULL THEN 'delivered'
      WHEN issued IS NOT NULL THEN 'issued'
      WHEN denied IS NOT NULL THEN 'denied'
      WHEN lapsed_at IS NOT NULL THEN 'lapsed'
      WHEN approved IS NOT NULL AND issue_refused IS NOT NULL THEN 'denied'
      WHEN approved IS NOT NULL THEN 'approved'
      WHEN held IS NOT NULL THEN 'held'
      ELSE 'submitted' END) STORED
  ) WITH (fillfactor = 70)`,
  'CREATE UNIQUE INDEX request_token ON request (token_id) WHERE token_id IS NOT NULL',
  'CREATE INDEX request_requester ON request (requester_id, request_id)',
  'CREATE INDEX request_claimant ON request (claimant_sub, request_id) WHERE claimant_sub <> requester_id',
  `CREATE INDEX request_open ON request (status, request_id) WHERE status IN ('submitted', 'held', 'approved')`,
  // A refused submission may come again and again; it is refused each time and recorded once.
  `CREATE TABLE refusal (
    refusal_key text PRIMARY KEY, -- sender, a slash, digest of the bytes, a slash, code
    refused_at timestamptz NOT NULL DEFAULT now()
  )`,
  'CREATE INDEX refusal_time ON refusal USING brin (refused_at)',
  // Token events that came before the event that says which request the token belongs to.
  `CREATE TABLE early_event (
    event_id text PRIMARY KEY,
    token_id text NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now()
  )`,
];

export class Request1700000100000 implements MigrationInterface {
  readonly name = 'Request1700000100000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE early_event, refusal, request, sealing_key, upstream');
  }
}
