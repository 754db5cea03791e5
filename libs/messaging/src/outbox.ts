import { randomInt } from 'node:crypto';
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
/** Names are drawn, because a database that was set back does not know which were taken since; so many fit a smallint. */
const mostRenewals = 4_095;

/**
 * Numbers the events without a gap and stores them. The counter's row stays locked until commit, so a number that was
 * given is a number that was said. A free counter is preferred to waiting for a taken one. Outcomes for upstreams have
 * no number: the audit log, which looks for gaps, does not hear them.
 * @param graceSeconds so long whoever reads the outbox leaves them to the relay of this process
 */
export async function writeOutbox(db: Db, service: ServiceName, said: readonly OutboxEvent[], graceSeconds: number): Promise<OutboxRow[]> {
  const outcomes = said.filter(({ exchange }) => exchange === exchanges.outcomes);
  const rows = outcomes.length > 0 ? await insertOutcomes(db, outcomes, graceSeconds) : [];
  const events = said.filter(({ exchange }) => exchange !== exchanges.outcomes);
  if (events.length === 0) return rows;
  let written = await insertEvents(db, events, graceSeconds, 'FOR UPDATE SKIP LOCKED');
  if (written.length === 0) written = await insertEvents(db, events, graceSeconds, 'FOR UPDATE');
  if (written.length === 0) throw new Error(`The outbox of ${service} has no counters; its migrations have not run.`);
  return [...rows, ...written];
}

/** How far each of the service's counters has come, as committed: everything up to there was said. */
export async function counted(db: Db, service: ServiceName): Promise<{ producer: string; n: string }[]> {
  const rows = await db.query<{ partition: number; n: string }>('SELECT partition, n FROM producer_counter WHERE n > 0 ORDER BY partition');
  return rows.map(({ partition, n }) => ({ producer: `${service}/${partition}`, n }));
}

/**
 * Begins counters of new names, after a database was set back: the old ones would give numbers again that were said since
 * the backup, and the audit log would take that for somebody's doing.
 */
export async function renewCounters(db: Db): Promise<void> {
  await db.query('UPDATE producer_counter SET partition = partition % $1::int + $1::int * $2::int, n = 0', [producerPartitions, randomInt(1, mostRenewals)]);
}

const columns = 'event_id text, exchange text, routing_key text, subject text, body text';
type Numbered = Pick<OutboxRow, 'id' | 'partition' | 'n'>;
const inMemory = (events: readonly OutboxEvent[], numbered: readonly Numbered[]): OutboxRow[] =>
  numbered.map((numbers, i) => {
    const { id, exchange, routingKey, subject, body } = events[i] as OutboxEvent;
    return { ...numbers, event_id: id, exchange, routing_key: routingKey, subject, body };
  });

async function insertEvents(db: Db, events: readonly OutboxEvent[], graceSeconds: number, lock: string): Promise<OutboxRow[]> {
  return inMemory(events, await db.query<Numbered>(
    `WITH free AS (SELECT partition FROM producer_counter ORDER BY random() LIMIT 1 ${lock}),
          taken AS (UPDATE producer_counter c SET n = c.n + $2::int FROM free WHERE c.partition = free.partition
                    RETURNING c.partition, c.n - $2::int AS base),
          kept AS (INSERT INTO outbox (event_id, exchange, routing_key, subject, body, partition, n)
                   SELECT e.event_id, e.exchange, e.routing_key, e.subject, e.body, taken.partition, taken.base + 1 + e.i
                   FROM taken, json_to_recordset($1::json) AS e(i int, ${columns}) ORDER BY e.i RETURNING id, partition, n),
          unsent AS (${insertUnsent(3)})
     SELECT id, partition, n FROM kept ORDER BY n`,
    [toRows(events), events.length, graceSeconds],
  ));
}

async function insertOutcomes(db: Db, outcomes: readonly OutboxEvent[], graceSeconds: number): Promise<OutboxRow[]> {
  return inMemory(outcomes, await db.query<Numbered>(
    `WITH kept AS (INSERT INTO outbox (event_id, exchange, routing_key, subject, body)
                   SELECT e.event_id, e.exchange, e.routing_key, e.subject, e.body
                   FROM json_to_recordset($1::json) AS e(i int, ${columns}) ORDER BY e.i RETURNING id, partition, n),
          unsent AS (${insertUnsent(2)})
     SELECT id, partition, n FROM kept ORDER BY id`,
    [toRows(outcomes), graceSeconds],
  ));
}

function insertUnsent(grace: number): string {
  return `INSERT INTO outbox_unsent (id, next_at) SELECT id, clock_timestamp() + $${grace} * interval '1 second' FROM kept`;
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
