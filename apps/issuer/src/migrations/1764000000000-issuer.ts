import type { MigrationInterface, QueryRunner } from 'typeorm';

const statements = [
  // Requests and approvals meet here, whichever comes first. The row outlives the token: a request is used once, for ever.
  `CREATE TABLE request (
    request_id text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('open', 'cancelled', 'issued', 'refused')),
    facts jsonb,
    approval jsonb,
    token_id text,
    code text,
    created_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE state_head (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    incarnation text NOT NULL,
    seq bigint NOT NULL,
    chain bytea NOT NULL
  ) WITH (fillfactor = 20)`,
  `INSERT INTO state_head (incarnation, seq, chain) VALUES (gen_random_uuid()::text, 0, decode(repeat('00', 32), 'hex'))`,
  `CREATE TABLE state_log (
    seq bigint PRIMARY KEY,
    kind text NOT NULL,
    at timestamptz(3) NOT NULL,
    reason_code text NOT NULL,
    token_id text,
    generation int,
    owner_id text,
    request_id text,
    epoch bigint,
    kid text NOT NULL,
    chain bytea NOT NULL
  )`,
  `CREATE INDEX state_log_token ON state_log (token_id, seq) WHERE token_id IS NOT NULL`,
  `CREATE INDEX state_log_epoch ON state_log (owner_id, seq) WHERE kind = 'epoch'`,
  `CREATE UNIQUE INDEX state_log_issued ON state_log (request_id) WHERE kind = 'issue'`,
  `CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$`,
  `CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON state_log EXECUTE FUNCTION refuse_change()`,
  `CREATE TABLE token (
    token_id text PRIMARY KEY,
    request_id text NOT NULL UNIQUE,
    request_digest text NOT NULL,
    state text NOT NULL CHECK (state IN ('issued', 'active', 'suspended', 'revoked', 'expired')),
    version int NOT NULL,
    owner_id text NOT NULL,
    owner_team text NOT NULL,
    claimant_iss text NOT NULL,
    claimant_sub text NOT NULL,
    resource text NOT NULL,
    audience text NOT NULL,
    scopes text[] NOT NULL,
    environment text NOT NULL,
    delivery jsonb NOT NULL,
    delivery_key text,
    issued_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    ends_at timestamptz(3) NOT NULL,
    claimed_at timestamptz,
    last_used_at timestamptz,
    rotate_seconds int,
    grace_seconds int,
    replaces text,
    generation int NOT NULL,
    issue_seq bigint NOT NULL,
    stopped_by jsonb,
    mac bytea NOT NULL,
    mac_kid text NOT NULL
  ) WITH (fillfactor = 80)`,
  // When the issuer has to look at a token next: its end, or the claim deadline while nobody claimed it.
  `CREATE INDEX token_ends ON token (ends_at) WHERE state IN ('issued', 'active', 'suspended')`,
  `CREATE INDEX token_owner ON token (owner_id, token_id)`,
  `CREATE INDEX token_team ON token (owner_team, token_id)`,
  `CREATE INDEX token_claimant ON token (claimant_sub, token_id)`,
  `CREATE INDEX token_audience ON token (audience, token_id)`,
  // One row per secret that a token has, had, or waits to be claimed.
  `CREATE TABLE generation (
    token_id text NOT NULL REFERENCES token,
    generation int NOT NULL,
    rotation_id text UNIQUE,
    state text NOT NULL CHECK (state IN ('claimable', 'delivered', 'used', 'retired')),
    cause text,
    claim_before timestamptz(3),
    claim_key bytea,
    claims int NOT NULL DEFAULT 0,
    claimed_at timestamptz,
    used_at timestamptz,
    retires_at timestamptz(3),
    PRIMARY KEY (token_id, generation)
  ) WITH (fillfactor = 80)`,
  `CREATE INDEX generation_due ON generation (LEAST(retires_at, claim_before)) WHERE state <> 'retired'`,
  `CREATE TABLE secret (
    verifier bytea PRIMARY KEY,
    pepper_kid text NOT NULL,
    token_id text NOT NULL REFERENCES token,
    generation int NOT NULL,
    minted_seq bigint NOT NULL,
    minted_at timestamptz NOT NULL DEFAULT now(),
    mac bytea NOT NULL,
    mac_kid text NOT NULL
  )`,
  `CREATE INDEX secret_token ON secret (token_id, generation)`,
  `CREATE TABLE gateway (
    client_id text PRIMARY KEY,
    name text NOT NULL UNIQUE,
    audiences text[] NOT NULL,
    broker_user text UNIQUE,
    secret_digest bytea NOT NULL,
    created_at timestamptz(3) NOT NULL DEFAULT now(),
    created_by jsonb NOT NULL,
    mac bytea NOT NULL,
    mac_kid text NOT NULL
  )`,
  // Everything that answers from a memory of its own: gateways that embed the SDK, and the issuer's replicas. A retired
  // registration gets no more leases, and is waited for until the last one it may have got is over.
  `CREATE TABLE verifier (
    verifier_id text PRIMARY KEY,
    name text NOT NULL,
    client_id text,
    lease_ms int NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    last_batch bigint NOT NULL DEFAULT 0,
    watermark timestamptz
  )`,
  // Secrets that somebody found and handed in: only their inner digest is kept until it is dealt with.
  `CREATE TABLE burn (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE TABLE active_policy (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    policy_digest text NOT NULL,
    activation int NOT NULL,
    statement text NOT NULL
  )`,
  // Who stopped what automatically, and when: the circuit breakers count these.
  `CREATE TABLE automatic_stop (
    alert_id text PRIMARY KEY,
    token_id text NOT NULL,
    owner_id text NOT NULL,
    outcome text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
  )`,
  `CREATE INDEX automatic_stop_at ON automatic_stop (at)`,
];

/** Requests, tokens, secrets and the state log. */
export class Issuer1764000000000 implements MigrationInterface {
  readonly name = 'Issuer1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE automatic_stop, active_policy, burn, verifier, gateway, secret, generation, token, state_log, state_head, request`);
    await runner.query('DROP FUNCTION refuse_change()');
  }
}
