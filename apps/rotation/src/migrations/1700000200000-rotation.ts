import type { MigrationInterface, QueryRunner } from 'typeorm';

const statements = [
  // The calendar lies in the token's row: `rotate_at` and `notice_at` are when it next needs work, null for never.
  // Their indices hold dates only, so a tick reads what is due and nothing of what is not.
  `CREATE TABLE token (
    token_id text PRIMARY KEY,
    owner jsonb NOT NULL,
    claimant jsonb NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    rotate_seconds int,
    grace_seconds int,
    claim_before timestamptz,
    secret_since timestamptz, -- when the live secret reached its owner
    attempts int NOT NULL DEFAULT 0, -- rotations that nobody claimed, since the last that was
    rotate_at timestamptz,
    notice_at timestamptz,
    suspended boolean NOT NULL DEFAULT false,
    state_seq bigint NOT NULL DEFAULT 0,
    ended_at timestamptz,
    ended_code text
  ) WITH (fillfactor = 80)`,
  'CREATE INDEX token_rotate ON token (rotate_at) WHERE rotate_at IS NOT NULL',
  'CREATE INDEX token_notice ON token (notice_at) WHERE notice_at IS NOT NULL',
  'CREATE INDEX token_expiry ON token (expires_at) WHERE ended_at IS NULL',
  'CREATE INDEX token_claim ON token (claim_before) WHERE ended_at IS NULL AND secret_since IS NULL AND claim_before IS NOT NULL',
  'CREATE INDEX token_ended ON token USING brin (ended_at)',
  // As with requests: one column per fact, and the state follows from them, in whatever order they came.
  `CREATE TABLE rotation (
    rotation_id text PRIMARY KEY,
    token_id text NOT NULL,
    cause text NOT NULL,
    request_key text,
    requested_by jsonb,
    reason text,
    started_at timestamptz NOT NULL,
    deadline_at timestamptz NOT NULL,
    claim_before timestamptz NOT NULL,
    generation int,
    claimable_at timestamptz,
    delivered_at timestamptz,
    used_at timestamptz,
    retired_at timestamptz,
    lapsed_at timestamptz,
    stopped_at timestamptz,
    token_ended_at timestamptz,
    forced_at timestamptz,
    steered jsonb,
    watch_at timestamptz, -- when to look again, null for never
    nudges int NOT NULL DEFAULT 0,
    named text, -- the stragglers that were last named
    state text NOT NULL GENERATED ALWAYS AS (CASE
      WHEN retired_at IS NOT NULL AND (delivered_at IS NOT NULL OR used_at IS NOT NULL) THEN 'completed'
      WHEN token_ended_at IS NOT NULL THEN 'ended'
      WHEN stopped_at IS NOT NULL THEN 'stopped'
      WHEN lapsed_at IS NOT NULL THEN 'lapsed'
      WHEN used_at IS NOT NULL THEN 'used'
      WHEN delivered_at IS NOT NULL THEN 'delivered'
      WHEN claimable_at IS NOT NULL THEN 'claimable'
      ELSE 'due' END) STORED
  ) WITH (fillfactor = 70)`,
  // At most one live successor, whatever two replicas and a person do at the same moment.
  `CREATE UNIQUE INDEX rotation_open ON rotation (token_id) WHERE state IN ('due', 'claimable', 'delivered', 'used')`,
  'CREATE INDEX rotation_token ON rotation (token_id, rotation_id)',
  'CREATE UNIQUE INDEX rotation_request ON rotation (request_key) WHERE request_key IS NOT NULL',
  'CREATE INDEX rotation_watch ON rotation (watch_at) WHERE watch_at IS NOT NULL',
  `CREATE TABLE straggler (
    rotation_id text NOT NULL REFERENCES rotation ON DELETE CASCADE,
    gateway text NOT NULL,
    network text NOT NULL,
    agent text NOT NULL,
    last_seen_at timestamptz NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (rotation_id, gateway, network, agent)
  )`,
  // Events that came before the one they build upon.
  `CREATE TABLE early_event (
    event_id text PRIMARY KEY,
    token_id text NOT NULL,
    type text NOT NULL,
    data jsonb NOT NULL,
    heard_at timestamptz NOT NULL DEFAULT now(),
    try_at timestamptz NOT NULL DEFAULT now()
  )`,
];

export class Rotation1700000200000 implements MigrationInterface {
  readonly name = 'Rotation1700000200000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE early_event, straggler, rotation, token');
  }
}
