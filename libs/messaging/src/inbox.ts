import { lastValueFrom, isObservable } from 'rxjs';
import type { ServiceName } from '@writ/contracts';
import { toJson, type Db } from './database.js';
import {
  isRejected, isUnavailable, maxAttempts, storable, turnsOf, Unacceptable, waitMs, type Accepted, type Delivery, type Door, type Rejected,
} from './incoming.js';
import type { Log } from './log.js';
import { traced, type Transactions, type Tx } from './transaction.js';

/** Calls the handler of a pattern with a payload and a transaction. */
export type Dispatch = (pattern: string, payload: unknown, tx: unknown) => Promise<unknown>;

interface WaitingRow {
  id: string;
  door: Door['name'];
  body: Buffer;
  user_id: string | null;
  /** With the one that begins. */
  attempts: number;
}

const idReused = 'A message with this id and another body was handled before.';
const endsTheProcess = 'Handling this ends the process: it was begun often, and never answered.';
/** Whoever takes a waiting message up has it for this time; a crash meanwhile costs as much. */
const heldFor = '1 minute';

/**
 * Handles deliveries exactly once as far as the database can tell: inbox row, the handler's changes and its events
 * commit together. When one of a batch fails, each is handled by itself, and what still fails waits in SQL.
 */
export class Inbox<S extends ServiceName> {
  constructor(
    private readonly service: S,
    private readonly transactions: Transactions<S>,
    private readonly doors: readonly Door[],
    private readonly dispatch: Dispatch,
    private readonly log: Log,
  ) {}

  /**
   * Handles, retries later or parks every delivery; when this returns they may be acknowledged.
   * @throws what says that the database is not available: then nothing may be acknowledged
   */
  async take(door: Door, deliveries: readonly Delivery[]): Promise<void> {
    const read = deliveries.map((delivery) => door.read(delivery));
    const rejected = read.filter(isRejected);
    for (const item of rejected) await this.park(door, item, item.code, item.detail);
    await this.handleAll(door, read.filter((item) => !isRejected(item)) as Accepted[]);
  }

  /** Tries the messages again whose time has come. @returns how many there were */
  async retryDue(limit = 100): Promise<number> {
    let done = 0;
    while (done < limit && (await this.retryOne())) done += 1;
    return done;
  }

  /**
   * Takes what the broker gave up on after too many crashes. Each has one more try, by itself: most of it only came
   * together with the one that ends the process, and some was handled all the same.
   */
  async takeDead(deliveries: readonly Delivery[]): Promise<void> {
    for (const delivery of deliveries) {
      const door = this.doors.find(({ queue }) => queue === delivery.diedIn) ?? (this.doors[0] as Door);
      const item = door.read(delivery);
      if (isRejected(item)) await this.park(door, item, item.code, item.detail);
      else await this.transactions.run((tx) => store(tx.db, door, item, maxAttempts - 1, 'delivery-limit', endsTheProcess));
    }
  }

  private async handleAll(door: Door, items: Accepted[]): Promise<void> {
    if (items.length === 0) return;
    try {
      await this.handleTogether(door, items);
    } catch (error) {
      if (isUnavailable(error)) throw error;
      if (items.length === 1) await this.failed(door, items[0] as Accepted, error);
      else for (const item of items) await this.handleAll(door, [item]);
    }
  }

  private async handleTogether(door: Door, items: Accepted[]): Promise<void> {
    const reused = await this.transactions.run(async (tx) => {
      const { fresh, reused } = await admit(tx.db, items);
      await this.handle(tx, fresh);
      return reused;
    });
    for (const item of reused) await this.park(door, item, 'id-reused', idReused);
  }

  private async handle(tx: Tx<S>, items: Accepted[]): Promise<void> {
    for (const turn of turnsOf(items)) {
      await settled(turn.map(async ({ pattern, payload, traceparent }) => {
        const result = await traced(traceparent, () => this.dispatch(pattern, payload, tx));
        if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
      }));
      await tx.flush();
    }
  }

  private async failed(door: Door, item: Accepted, error: unknown): Promise<void> {
    if (error instanceof Unacceptable) return this.park(door, item, error.code, error.message);
    this.log.warn({ err: error, message: item.messageId, pattern: item.pattern }, 'a message failed and is tried again later');
    await this.transactions.run((tx) => store(tx.db, door, item, 1, 'handler-failed', textOf(error)));
  }

  /** Sets a message aside for an operator and says so, so that monitor and audit know. */
  private async park(door: Door, item: Accepted | Rejected, code: string, detail: string): Promise<void> {
    this.log.error({ message: item.messageId, code, detail }, 'a message was parked');
    await this.transactions.run(async (tx) => {
      const isNew = await store(tx.db, door, item, maxAttempts, code, detail);
      if (isNew) this.announce(tx, item, code, detail);
    });
  }

  private announce(tx: Tx<S>, item: Accepted | Rejected, code: string, detail: string): void {
    if ('pattern' in item && item.pattern === 'message.parked') return; // Else parking would feed on itself.
    const { messageId, bodyDigest, delivery } = item;
    tx.emit('message.parked', { service: this.service, messageId, code, detail: storable(detail, 1024), bodyDigest, userId: delivery.userId }, { subject: messageId });
  }

  private async retryOne(): Promise<boolean> {
    const row = await this.transactions.read(takeUp);
    if (!row) return false;
    const door = this.doorOf(row);
    const item = door.read({ body: row.body, userId: row.user_id ?? undefined });
    if (isRejected(item)) await this.parkWaiting(row, item, item.code, item.detail);
    else if (row.attempts > maxAttempts) await this.parkWaiting(row, item, 'delivery-limit', endsTheProcess);
    else await this.retry(row, item);
    return true;
  }

  private async retry(row: WaitingRow, item: Accepted): Promise<void> {
    try {
      await this.transactions.run(async (tx) => {
        const { fresh, reused } = await admit(tx.db, [item]);
        if (reused.length > 0) throw new Unacceptable('id-reused', idReused);
        await this.handle(tx, fresh);
        await tx.db.query('DELETE FROM inbox_waiting WHERE id = $1', [row.id]);
      });
    } catch (error) {
      if (isUnavailable(error)) {
        await this.giveBack(row);
        throw error;
      }
      if (error instanceof Unacceptable) return this.parkWaiting(row, item, error.code, error.message);
      if (row.attempts >= maxAttempts) return this.parkWaiting(row, item, 'handler-failed', textOf(error));
      this.log.warn({ err: error, message: item.messageId, attempts: row.attempts }, 'a message failed again');
      await this.transactions.read((db) => db.query(
        `UPDATE inbox_waiting SET last_error = $2, next_at = now() + $3 * interval '1 millisecond' WHERE id = $1`,
        [row.id, storable(textOf(error), 1024), waitMs(row.attempts, Math.random())],
      ));
    }
  }

  /** It was no try: what had to be there for it was not. Where even this cannot be written the try counts. */
  private async giveBack(row: WaitingRow): Promise<void> {
    await this.transactions.read((db) => db.query('UPDATE inbox_waiting SET attempts = attempts - 1, next_at = now() WHERE id = $1', [row.id])).catch(() => undefined);
  }

  private async parkWaiting(row: WaitingRow, item: Accepted | Rejected, code: string, detail: string): Promise<void> {
    this.log.error({ message: item.messageId, code, detail, attempts: row.attempts }, 'a message was parked');
    await this.transactions.run(async (tx) => {
      await tx.db.query(`UPDATE inbox_waiting SET state = 'parked', code = $2, last_error = $3 WHERE id = $1`, [row.id, code, storable(detail, 1024)]);
      this.announce(tx, item, code, detail);
    });
  }

  private doorOf(row: WaitingRow): Door {
    const door = this.doors.find(({ name }) => name === row.door);
    if (!door) throw new Error(`This service has no door named ${row.door}.`);
    return door;
  }
}

/** Counts the try before it begins: one that ends the process must not be free. */
async function takeUp(db: Db): Promise<WaitingRow | undefined> {
  const [row] = await db.query<WaitingRow>(
    `UPDATE inbox_waiting SET attempts = attempts + 1, next_at = now() + $1::interval
     WHERE id = (SELECT id FROM inbox_waiting WHERE state = 'waiting' AND next_at <= now() ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED)
     RETURNING id, door, body, user_id, attempts`,
    [heldFor],
  );
  return row;
}

/** All of them, also after one failed: none may go on using the transaction that is about to be rolled back. */
async function settled(work: Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** Keeps the messages that were never handled. The same id with the same body is a repetition and is dropped. */
async function admit(db: Db, items: Accepted[]): Promise<{ fresh: Accepted[]; reused: Accepted[] }> {
  const reused: Accepted[] = [];
  const byId = new Map<string, Accepted>();
  const withoutInbox = items.filter((item) => item.inboxId === undefined);
  for (const item of items) {
    if (item.inboxId === undefined) continue;
    const first = byId.get(item.inboxId);
    if (!first) byId.set(item.inboxId, item);
    else if (first.bodyDigest !== item.bodyDigest) reused.push(item);
  }
  if (byId.size === 0) return { fresh: withoutInbox, reused };
  // Sorted, so that two replicas with the same messages wait for each other in one order and never in a circle.
  const rows = [...byId.values()].map(({ inboxId, bodyDigest }) => ({ message_id: inboxId, body_digest: bodyDigest }))
    .sort((a, b) => ((a.message_id as string) < (b.message_id as string) ? -1 : 1));
  const inserted = new Set((await db.query<{ message_id: string }>(
    `INSERT INTO inbox (message_id, body_digest) SELECT message_id, body_digest
     FROM json_to_recordset($1::json) AS r(message_id text, body_digest text)
     ON CONFLICT (message_id) DO NOTHING RETURNING message_id`,
    [toJson(rows)],
  )).map((row) => row.message_id));
  const known = [...byId.keys()].filter((id) => !inserted.has(id));
  if (known.length > 0) {
    const before = await db.query<{ message_id: string; body_digest: string }>(
      'SELECT message_id, body_digest FROM inbox WHERE message_id = ANY($1)', [known],
    );
    for (const { message_id, body_digest } of before) {
      const item = byId.get(message_id);
      if (item && item.bodyDigest !== body_digest) reused.push(item);
    }
  }
  const fresh = [...byId.values()].filter((item) => inserted.has(item.inboxId as string));
  return { fresh: [...withoutInbox, ...fresh], reused };
}

/** @returns whether the message was not stored before */
async function store(db: Db, door: Door, item: Accepted | Rejected, attempts: number, code: string, error: string): Promise<boolean> {
  const parked = attempts >= maxAttempts;
  const rows = await db.query(
    `INSERT INTO inbox_waiting (message_id, door, body, body_digest, user_id, attempts, state, code, last_error, next_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10 * interval '1 millisecond')
     ON CONFLICT (message_id, body_digest) DO NOTHING RETURNING id`,
    [
      item.messageId, door.name, item.delivery.body, item.bodyDigest, item.delivery.userId ?? null, attempts,
      parked ? 'parked' : 'waiting', code, storable(error, 1024), waitMs(1, Math.random()),
    ],
  );
  return rows.length > 0;
}

/** The driver's text only: parameters of a failed query may hold what must not be stored. */
function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
