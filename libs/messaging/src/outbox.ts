import { exchanges, type EventId, type ServiceName } from '@writ/contracts';
import type { Db } from './database.js';

export interface OutboxEvent {
  id: EventId;
  exchange: string;
  routingKey: string;
  /** What the event is about; of one subject all events leave in their order. */
  subject: string;
  /** The envelope as JSON, still without its producer's number. */
  body: string;
}

export interface OutboxRow {
  id: string;
  event_id: string;
  exchange: string;
  routing_key: string;
  subject: string;
  body: string;
  /** Without either: an outcome. */
  partition: number | null;
  n: string | null;
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

const columns = 'event_id text, exchange text, routing_key text, subject text, body text';

async function insertEvents(db: Db, events: readonly OutboxEvent[], lock: string): Promise<number> {
  const written = await db.query(
    `WITH free AS (SELECT partition FROM producer_counter ORDER BY random() LIMIT 1 ${lock}),
          taken AS (UPDATE producer_counter c SET n = c.n + $2::int FROM free WHERE c.partition = free.partition
                    RETURNING c.partition, c.n - $2::int AS base),
          kept AS (INSERT INTO outbox (event_id, exchange, routing_key, subject, body, partition, n)
                   SELECT e.event_id, e.exchange, e.routing_key, e.subject, e.body, taken.partition, taken.base + 1 + e.i
                   FROM taken, json_to_recordset($1::json) AS e(i int, ${columns}) ORDER BY e.i RETURNING id)
     INSERT INTO outbox_unsent (id) SELECT id FROM kept RETURNING 1`,
    [toRows(events), events.length],
  );
  return written.length;
}

async function insertOutcomes(db: Db, outcomes: readonly OutboxEvent[]): Promise<void> {
  await db.query(
    `WITH kept AS (INSERT INTO outbox (event_id, exchange, routing_key, subject, body)
                   SELECT e.event_id, e.exchange, e.routing_key, e.subject, e.body
                   FROM json_to_recordset($1::json) AS e(i int, ${columns}) ORDER BY e.i RETURNING id)
     INSERT INTO outbox_unsent (id) SELECT id FROM kept`,
    [toRows(outcomes)],
  );
}

/** The body goes in as it is: PostgreSQL hands an object on as its own text, and nothing has to be escaped and read again. */
function toRows(events: readonly OutboxEvent[]): string {
  const rows = events.map(({ id, exchange, routingKey, subject, body }, i) =>
    `${JSON.stringify({ i, event_id: id, exchange, routing_key: routingKey, subject }).slice(0, -1)},"body":${body}}`);
  return `[${rows.join()}]`;
}

/** The envelope with its producer's number, as it goes on the wire: the same text whenever it is sent. */
export function wireText(service: ServiceName, row: Pick<OutboxRow, 'body' | 'partition' | 'n'>): string {
  return row.n === null ? row.body : `${row.body.slice(0, -1)},"producer":"${service}/${row.partition}","producerseq":"${row.n}"}`;
}
