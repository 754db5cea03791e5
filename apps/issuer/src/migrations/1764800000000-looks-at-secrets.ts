import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A tick reads the secrets that end and nothing of those that do not: neither the many that are in their grace, nor first
 * secrets that nobody claimed, whose tokens end with them.
 */
export class LooksAtSecrets1764800000000 implements MigrationInterface {
  readonly name = 'LooksAtSecrets1764800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX generation_due, generation_ending');
    await runner.query(`CREATE INDEX generation_due ON generation (LEAST(retires_at, claim_before))
      WHERE state <> 'retired' AND (rotation_id IS NOT NULL OR retires_at IS NOT NULL)`);
    await runner.query(`CREATE INDEX generation_unused ON generation (last_used_at) WHERE state <> 'retired' AND retires_at IS NOT NULL`);
    await runner.query(`UPDATE generation g SET last_used_at = greatest(g.last_used_at, s.used_at) FROM generation s
      WHERE s.token_id = g.token_id AND s.generation > g.generation AND s.state = 'used' AND g.state <> 'retired' AND g.retires_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX generation_due, generation_unused');
    await runner.query(`CREATE INDEX generation_due ON generation (LEAST(retires_at, claim_before)) WHERE state <> 'retired'`);
    await runner.query(`CREATE INDEX generation_ending ON generation (token_id) WHERE retires_at IS NOT NULL AND state <> 'retired'`);
  }
}
