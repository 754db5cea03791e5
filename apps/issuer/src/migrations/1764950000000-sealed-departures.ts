import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Departures carry a MAC. Those that were heard before have none and count for nothing until they are said again. */
export class SealedDepartures1764950000000 implements MigrationInterface {
  readonly name = 'SealedDepartures1764950000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE departure ADD COLUMN heard_seq bigint NOT NULL DEFAULT 0, ADD COLUMN mac bytea NOT NULL DEFAULT '', ADD COLUMN mac_kid text NOT NULL DEFAULT ''`);
    await runner.query('ALTER TABLE departure DROP CONSTRAINT departure_state_check');
    await runner.query(`ALTER TABLE departure ADD CONSTRAINT departure_state_check CHECK (state IN ('offering', 'waiting', 'ended', 'reinstated', 'forged'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`UPDATE departure SET state = 'ended' WHERE state IN ('reinstated', 'forged')`);
    await runner.query('ALTER TABLE departure DROP CONSTRAINT departure_state_check');
    await runner.query(`ALTER TABLE departure ADD CONSTRAINT departure_state_check CHECK (state IN ('offering', 'waiting', 'ended'))`);
    await runner.query('ALTER TABLE departure DROP COLUMN heard_seq, DROP COLUMN mac, DROP COLUMN mac_kid');
  }
}
