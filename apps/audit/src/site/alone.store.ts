import type { DataSource } from 'typeorm';

/** Runs the work while no other replica does. The lock dies with its connection, so the work must be harmless twice. */
export async function alone(source: DataSource, lockId: number, work: () => Promise<void>): Promise<void> {
  const runner = source.createQueryRunner();
  try {
    const [row] = (await runner.query('SELECT pg_try_advisory_lock($1) AS got', [lockId])) as { got: boolean }[];
    if (!row?.got) return;
    try {
      await work();
    } finally {
      await runner.query('SELECT pg_advisory_unlock($1)', [lockId]);
    }
  } finally {
    await runner.release();
  }
}
