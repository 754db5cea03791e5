import type { MigrationInterface, QueryRunner } from 'typeorm';
import { producerPartitions } from './outbox.js';

/** Outbox, inbox and waiting messages: the first migration of every service. */
export class Messaging1700000000000 implements MigrationInterface {
  readonly name = 'Messaging1700000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE producer_counter (partition smallint PRIMARY KEY, n bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)`);
    await runner.query('INSERT INTO producer_counter (partition) SELECT generate_series(0, $1::int - 1)', [producerPartitions]);
    await runner.query(`
      CREATE TABLE outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        event_id text NOT NULL,
        exchange text NOT NULL,
        routing_key text NOT NULL,
        subject text NOT NULL,
        body text NOT NULL,
        partition smallint,
        n bigint,
        created_at timestamptz NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX outbox_created ON outbox USING brin (created_at)');
    // Beside the events, whose rows are wide and never change: a row here is an event that is still to be published.
    await runner.query(`
      CREATE TABLE outbox_unsent (
        id bigint PRIMARY KEY,
        attempts int NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL DEFAULT '-infinity',
        last_error text
      )`);
    await runner.query(`
      CREATE TABLE inbox (
        message_id text PRIMARY KEY,
        body_digest text NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now()
      )`);
    await runner.query('CREATE INDEX inbox_received ON inbox USING brin (received_at)');
    await runner.query(`
      CREATE TABLE inbox_waiting (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        message_id text NOT NULL,
        door text NOT NULL,
        body bytea NOT NULL,
        body_digest text NOT NULL,
        user_id text,
        attempts int NOT NULL,
        state text NOT NULL CHECK (state IN ('waiting', 'parked')),
        code text NOT NULL,
        last_error text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        next_at timestamptz NOT NULL,
        UNIQUE (message_id, body_digest)
      )`);
    await runner.query(`CREATE INDEX inbox_waiting_due ON inbox_waiting (next_at) WHERE state = 'waiting'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE inbox_waiting, inbox, outbox_unsent, outbox, producer_counter');
  }
}
