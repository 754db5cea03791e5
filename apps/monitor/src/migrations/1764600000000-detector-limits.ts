import type { MigrationInterface, QueryRunner } from 'typeorm';

const limits = (...most: string[]) => `ALTER TABLE detector_limit DROP CONSTRAINT detector_limit_most_check, ADD CHECK (most IN (${most.map((each) => `'${each}'`).join(', ')}))`;

/** A detector that was held back can be let go as far as policy lets it again. */
export class DetectorLimits1764600000000 implements MigrationInterface {
  readonly name = 'DetectorLimits1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(limits('off', 'note', 'notify', 'suspend', 'revoke'));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DELETE FROM detector_limit WHERE most = 'revoke'`);
    await runner.query(limits('off', 'note', 'notify', 'suspend'));
  }
}
