import type { BenchOptions, Row } from '../row.js';
import { fill, openCalendar } from './calendar.js';

const atOnce = 500;

/** Due tokens taken off the calendar in hundreds, in turn with the barest SKIP LOCKED claim; every claim commits. */
export async function claimDue({ quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 50_000 : 200_000;
  const calendar = await openCalendar();
  const { sql, transactions, stores } = calendar;
  try {
    say(`claim due: ${count} tokens in ${atOnce}s`);
    await fill(calendar, count, `interval '-1 second'`);
    await sql.query('CREATE TABLE bare (id bigint PRIMARY KEY, due_at timestamptz)');
    await sql.query('INSERT INTO bare SELECT n, now() FROM generate_series(1, $1) AS n', [count]);
    await sql.query('CREATE INDEX ON bare (due_at) WHERE due_at IS NOT NULL');
    await sql.query('VACUUM ANALYZE bare');
    const ours = new Stopwatch(() => transactions.run(async (tx) => (await stores.takeDueRotations(tx.db, atOnce)).length));
    const bare = new Stopwatch(async () => (await sql.query(
      `WITH due AS MATERIALIZED (SELECT id FROM bare WHERE due_at <= now() ORDER BY due_at LIMIT ${atOnce} FOR UPDATE SKIP LOCKED)
       UPDATE bare b SET due_at = NULL FROM due WHERE b.id = due.id RETURNING b.id`,
    )).rows.length);
    // In turn, so that whatever else the machine does slows both.
    while (ours.done < count) {
      await ours.run();
      await bare.run();
    }
    return [
      { bench: 'rotation', name: 'claim due', kind: 'ours', perSecond: ours.perSecond, note: `in ${atOnce}s, whole token rows` },
      { bench: 'rotation', name: 'claim due', kind: 'limit', perSecond: bare.perSecond, note: 'two columns' },
    ];
  } finally {
    await calendar.drop();
  }
}

class Stopwatch {
  done = 0;
  private ms = 0;

  constructor(private readonly claim: () => Promise<number>) {}

  async run(): Promise<void> {
    const startedAt = performance.now();
    const taken = await this.claim();
    this.ms += performance.now() - startedAt;
    if (taken !== atOnce) throw new Error(`${taken} rows were taken after ${this.done}.`);
    this.done += taken;
  }

  get perSecond(): number {
    return this.done / (this.ms / 1_000);
  }
}
