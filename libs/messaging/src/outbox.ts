import { exchanges, type EventId, type ServiceName } from '@writ/contracts';
import { toJson, type Db } from './database.js';

export interface OutboxEvent {
  id: EventId;
  exchange: string;
  routingKey: string;
  /** The envelope as JSON, still without its producer's number. */
  body: string;
}

export interface OutboxRow {
  id: string;
  event_id: string;
  exchange: string;
  routing_key: string;
  body: string;
  /** Without either: an outcome. */
  partition: number | null;
  n: string | null;
  attempts: number;
}

/** So many transactions of one service can number their events at the same time. */
export const producerPartitions = 8;

/**
 * Numbers the events without a gap and stores them. The counter's row stays locked until commit, so a number that was
 * given is a number that was said. A free counter is preferred to waiting for a taken one. Outcomes for upstreams have
 * no number: the audit log, which looks for gaps, does not hear them.
 */
export async function writeOutbox(db: Db, service: ServiceName, said: readonly OutboxEvent[]): Promise<void> {
  const outcomes = said.filter(({ exchange }) => exchange === exchanges.outcomes);
  if (outcomes.length > 0) await insertOutcomes(db, outcomes);
  const events = said.filter(({ exchange }) => exchange !== exchanges.outcomes);
  if (events.length === 0) return;
  const written = await insertEvents(db, events, 'FOR UPDATE SKIP LOCKED');
  if (written === 0 && (await insertEvents(db, events, 'FOR UPDATE')) === 0) {
    throw new Error(`The outbox of ${service} has no counters; its migrations have not run.`);
  }
}

async function insertEvents(db: Db, events: readonly OutboxEvent[], lock: string): Promise<number> {
  const written = await db.query(
    `WITH free AS (SELECT partition FROM producer_counter ORDER BY random() LIMIT 1 ${lock}),
          taken AS (UPDATE producer_counter c SET n = c.n + $2::int FROM free WHERE c.partition = free.partition
                    RETURNING c.partition, c.n - $2::int AS base)
     INSERT INTO outbox (event_id, exchange, routing_key, body, partition, n)
     SELECT e.event_id, e.exchange, e.routing_key, e.body, taken.partition, taken.base + 1 + e.i
     FROM taken, json_to_recordset($1::json) AS e(i int, event_id text, exchange text, routing_key text, body text)
     ORDER BY e.i RETURNING 1`,
    [toJson(rowsOf(events)), events.length],
  );
  return written.length;
}

async function insertOutcomes(db: Db, outcomes: readonly OutboxEvent[]): Promise<void> {
  await db.query(
    `INSERT INTO outbox (event_id, exchange, routing_key, body) SELECT e.event_id, e.exchange, e.routing_key, e.body
     FROM json_to_recordset($1::json) AS e(i int, event_id text, exchange text, routing_key text, body text) ORDER BY e.i`,
    [toJson(rowsOf(outcomes))],
  );
}

function rowsOf(events: readonly OutboxEvent[]): object[] {
  return events.map((event, i) => ({ i, event_id: event.id, exchange: event.exchange, routing_key: event.routingKey, body: event.body }));
}

/** The envelope with its producer's number, as it goes on the wire: the same bytes whenever it is sent. */
export function wireBody(service: ServiceName, row: Pick<OutboxRow, 'body' | 'partition' | 'n'>): Buffer {
  if (row.n === null) return Buffer.from(row.body);
  return Buffer.from(`${row.body.slice(0, -1)},"producer":"${service}/${row.partition}","producerseq":"${row.n}"}`);
}
