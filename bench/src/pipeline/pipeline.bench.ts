import { queues, services } from '@writ/contracts';
import { brokerUser } from '@writ/messaging';
import { TestBench } from '@writ/testing';
import { withRatios, type BenchOptions, type Row } from '../row.js';
import { measureHop } from './hop.js';
import { wholeWay } from './whole-way.js';

class BenchTables1700000002000 {
  readonly name = 'BenchTables1700000002000';
  async up(runner: { query(sql: string): Promise<unknown> }): Promise<void> {
    await runner.query('CREATE TABLE bench_seen (event_id text PRIMARY KEY, owner text NOT NULL, version int NOT NULL)');
    await runner.query('CREATE TABLE bench_inbox (message_id text PRIMARY KEY, received_at timestamptz NOT NULL DEFAULT now())');
    await runner.query('CREATE TABLE bench_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, sent_at timestamptz)');
    await runner.query('CREATE INDEX bench_outbox_unsent ON bench_outbox (id) WHERE sent_at IS NULL');
  }
  async down(): Promise<void> {}
}

/** One hop of the bus, ours beside the barest program, each on fresh tables and queues. */
export async function oneHop({ quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 10_000 : 40_000;
  const rows: Row[] = [];
  for (const kind of ['ours', 'bare'] as const) {
    say(`one hop, ${kind}: ${count} events`);
    const bench = await TestBench.create();
    try {
      // The other services' queues would fill up unread.
      for (const service of services) if (service !== 'policy') await bench.bus.unbind(queues.events(service), 'trust.changed');
      const senderEnv = await bench.env('monitor', [BenchTables1700000002000] as never);
      const receiverEnv = await bench.env('policy', [BenchTables1700000002000] as never);
      const facts = { kind, count };
      rows.push(await measureHop(
        'one hop', kind === 'ours' ? 'ours' : 'limit',
        { ...facts, role: 'send', databaseUrl: senderEnv.WRIT_DATABASE_URL as string, brokerUrl: bench.bus.url(brokerUser('monitor')) },
        { ...facts, role: 'receive', databaseUrl: receiverEnv.WRIT_DATABASE_URL as string, brokerUrl: bench.bus.url(brokerUser('policy')) },
      ));
    } finally {
      await bench.drop();
    }
  }
  return rows;
}

export async function bench(options: BenchOptions): Promise<Row[]> {
  return withRatios([...(await oneHop(options)), ...(await wholeWay(options))]);
}
