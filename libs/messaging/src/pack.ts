import { batchContentType, contentType, joinEnvelopes, type ServiceName } from '@writ/contracts';
import { wireText, type OutboxRow } from './outbox.js';
import type { Publication } from './publisher.js';

/** Rows that leave in one AMQP message. */
export interface Pack {
  exchange: string;
  routingKey: string;
  rows: OutboxRow[];
  bytes: number;
}

const mostEvents = 16;
/** Small enough that as many messages as a consumer is sent ahead stay within some megabytes. */
const mostBytes = 32 * 1024;

/**
 * Puts events of one type together, so that broker and consumers handle one message instead of many. What is said of
 * one subject keeps its order: an event joins no message that leaves before one which already speaks of its subject.
 * Outcomes stay alone, because upstreams read one at a time.
 */
export function pack(rows: readonly OutboxRow[]): Pack[] {
  const packs: Pack[] = [];
  const open = new Map<string, number>();
  const lastOf = new Map<string, number>();
  for (const row of rows) {
    const at = open.get(row.routing_key);
    const joined = at === undefined ? undefined : packs[at];
    const mayJoin = joined && row.n !== null && at !== undefined && (lastOf.get(row.subject) ?? 0) <= at
      && joined.rows.length < mostEvents && joined.bytes + row.body.length <= mostBytes;
    if (mayJoin) {
      joined.rows.push(row);
      joined.bytes += row.body.length;
      lastOf.set(row.subject, at);
      continue;
    }
    packs.push({ exchange: row.exchange, routingKey: row.routing_key, rows: [row], bytes: row.body.length });
    if (row.n !== null) open.set(row.routing_key, packs.length - 1);
    lastOf.set(row.subject, packs.length - 1);
  }
  return packs;
}

/** One message of its rows: the envelope itself where there is one, a batch of CloudEvents where there are several. */
export function publicationOf(service: ServiceName, { exchange, routingKey, rows }: Pack): Publication {
  const texts = rows.map((row) => wireText(service, row));
  const [only, ...more] = texts;
  const messageId = rows[0]?.event_id as string;
  return more.length === 0 ? { exchange, routingKey, messageId, contentType, body: Buffer.from(only as string) }
    : { exchange, routingKey, messageId, contentType: batchContentType, body: Buffer.from(joinEnvelopes(texts)) };
}
