import type { MigrationInterface, QueryRunner } from 'typeorm';

const statements = [
  // Written once, by token.issued; what changes later stands in token_state, because it may come first.
  `CREATE TABLE token (
    token_id text PRIMARY KEY,
    owner_id text NOT NULL,
    team text NOT NULL,
    resource text NOT NULL,
    environment text NOT NULL,
    scopes text[] NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
  )`,
  `CREATE INDEX token_team ON token (team)`,
  `CREATE TABLE token_state (
    token_id text PRIMARY KEY,
    state text NOT NULL DEFAULT 'active',
    version int NOT NULL DEFAULT 0,
    retired_generation int NOT NULL DEFAULT 0,
    retired_at timestamptz,
    retired_code text
  )`,
  // Appended on the hot way without a key to look up; a job turns minutes into hours and hours into days.
  `CREATE TABLE usage_minute (
    token_id text NOT NULL,
    at timestamptz NOT NULL,
    code text NOT NULL,
    calls bigint NOT NULL,
    last_at timestamptz NOT NULL
  )`,
  `CREATE INDEX usage_minute_token ON usage_minute (token_id)`,
  ...['hour', 'day'].map((span) => `CREATE TABLE usage_${span} (
    token_id text NOT NULL,
    at timestamptz NOT NULL,
    code text NOT NULL,
    calls bigint NOT NULL,
    peak bigint NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (token_id, at, code)
  ) WITH (fillfactor = 80)`),
  `CREATE INDEX usage_hour_at ON usage_hour (at)`,
  `CREATE INDEX usage_day_at ON usage_day (at)`,
  // Where a token was used from, by what, with which scopes: at most one write an hour each.
  `CREATE TABLE usage_source (
    token_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('network', 'agent', 'scope', 'gateway')),
    value text NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (token_id, kind, value)
  ) WITH (fillfactor = 80)`,
  `CREATE INDEX usage_source_network ON usage_source (value, last_at) WHERE kind = 'network'`,
  `CREATE INDEX usage_source_last ON usage_source (last_at)`,
  `CREATE TABLE alert (
    alert_id text PRIMARY KEY,
    token_id text NOT NULL,
    owner_id text,
    team text,
    detector text NOT NULL,
    action text NOT NULL CHECK (action IN ('note', 'notify', 'suspend', 'revoke')),
    explanation text NOT NULL,
    evidence jsonb NOT NULL,
    observed_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'dismissed', 'closed')),
    closed_at timestamptz,
    closed_by jsonb,
    reason text
  )`,
  `CREATE INDEX alert_owner ON alert (owner_id, alert_id)`,
  `CREATE INDEX alert_team ON alert (team, alert_id)`,
  `CREATE INDEX alert_token ON alert (token_id, alert_id)`,
  `CREATE INDEX alert_open ON alert (observed_at) WHERE state = 'open'`,
  `CREATE INDEX alert_nobodys ON alert (token_id) WHERE owner_id IS NULL`,
  `CREATE TABLE trust (
    owner_id text PRIMARY KEY,
    team text NOT NULL,
    open_incidents int NOT NULL,
    version int NOT NULL
  )`,
  `CREATE TABLE leak (
    report_id text PRIMARY KEY,
    inner_digest text NOT NULL,
    channel text NOT NULL,
    url text NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (inner_digest, url)
  )`,
  // What the owner said was theirs; a rebuilt baseline starts from here.
  `CREATE TABLE lesson (
    token_id text PRIMARY KEY,
    high_minute double precision NOT NULL,
    high_hour double precision NOT NULL,
    high_denied double precision NOT NULL,
    learnt_at timestamptz NOT NULL DEFAULT now()
  )`,
  // The flag itself, and only here: whoever reads this table without the key cannot tell which tokens are meant.
  `CREATE TABLE honeytoken (
    mac bytea PRIMARY KEY,
    marked_by jsonb NOT NULL,
    marked_at timestamptz NOT NULL DEFAULT now()
  )`,
  // How far a detector may go; absent means all the way.
  `CREATE TABLE detector_limit (
    detector text PRIMARY KEY,
    most text NOT NULL CHECK (most IN ('off', 'note', 'notify', 'suspend')),
    reason text NOT NULL,
    set_by jsonb NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE narrowing (
    token_id text PRIMARY KEY,
    dropped text[] NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now()
  )`,
  // How the platform itself is: heartbeats, the log's head, the active policy, parked messages.
  `CREATE TABLE watch (
    subject text PRIMARY KEY,
    at timestamptz NOT NULL,
    count bigint NOT NULL DEFAULT 1,
    facts jsonb NOT NULL
  ) WITH (fillfactor = 50)`,
];

/** Tokens as the monitor knows them, their use, alerts and trust. */
export class Monitor1764000000000 implements MigrationInterface {
  readonly name = 'Monitor1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE watch, narrowing, detector_limit, honeytoken, lesson, leak, trust, alert, usage_source, usage_day, usage_hour, usage_minute, token_state, token');
  }
}
