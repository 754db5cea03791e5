import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What becomes of a request changes nothing indexed: with room for it on the row's own page it is written once. */
export class RoomToChange1764985000000 implements MigrationInterface {
  readonly name = 'RoomToChange1764985000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE request SET (fillfactor = 45)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE request RESET (fillfactor)');
  }
}
