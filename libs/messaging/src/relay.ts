import type { DataSource } from 'typeorm';
import { exchanges, type ServiceName } from '@writ/contracts';
import type { Broker } from './broker.js';
import { Db } from './database.js';
import type { Log } from './log.js';
import { wireBody, type OutboxRow } from './outbox.js';
import type { Publisher } from './publisher.js';

const roundSize = 500;
const busyMs = 25;
const idleMs = 250;
const troubleMs = 1_000;
/** An event that no queue wanted this often waits for an operator: nobody is bound to hear it. */
const maxAttempts = 12;
/** An upstream that listens to none of its outcomes is given this long to bind a queue; then it has to ask again. */
const unheardOutcomeKept = '5 seconds';

/**
 * Publishes what transactions left in the outbox. Any number of replicas may relay: SKIP LOCKED gives each row to one.
 * A crash between publish and mark publishes again; consumers drop the second copy by its id.
 */
export class Relay {
  private hinted = false;
  private stopped = false;
  private wake?: () => void;
  private running?: Promise<void>;

  constructor(
    private readonly source: DataSource,
    private readonly service: ServiceName,
    private readonly publisher: Publisher,
    private readonly broker: Broker,
    private readonly log: Log,
  ) {}

  start(): void {
    this.running = this.loop();
  }

  /** There is something new: do not wait for the next poll. */
  hint(): void {
    this.hinted = true;
    this.wake?.();
  }

  /** Publishes what is there, for at most the given time, and stops. */
  async stop(flushMs = 5_000): Promise<void> {
    this.stopped = true;
    this.wake?.();
    await this.running;
    const until = Date.now() + flushMs;
    while (Date.now() < until && !this.broker.trouble && (await this.round()) > 0);
  }

  private async loop(): Promise<void> {
    let wait = busyMs;
    while (!this.stopped) {
      if (!this.hinted) await this.sleep(wait);
      this.hinted = false;
      try {
        const sent = this.broker.trouble ? -1 : await this.round();
        wait = sent > 0 ? busyMs : sent < 0 ? troubleMs : Math.min(idleMs, wait * 2);
        if (sent === roundSize) this.hinted = true;
      } catch (error) {
        this.log.warn({ err: error }, 'the relay could not read the outbox; trying again');
        wait = troubleMs;
      }
    }
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** One round: the rows stay locked while the broker confirms, which is what keeps other replicas off them. */
  private async round(): Promise<number> {
    const runner = this.source.createQueryRunner();
    try {
      await runner.startTransaction();
      const db = new Db(runner);
      const rows = await db.query<OutboxRow>(
        `SELECT id, event_id, exchange, routing_key, body, partition, n, attempts FROM outbox
         WHERE sent_at IS NULL AND next_at <= now() ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED`,
        [roundSize],
      );
      if (rows.length > 0) await this.mark(db, rows, await this.publisher.publish(rows.map((row) => ({
        exchange: row.exchange, routingKey: row.routing_key, messageId: row.event_id, body: wireBody(this.service, row),
      }))));
      await runner.commitTransaction();
      return rows.length;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  private async mark(db: Db, rows: OutboxRow[], results: string[]): Promise<void> {
    const idsOf = (result: string) => rows.filter((_, i) => results[i] === result).map((row) => row.id);
    const stored = idsOf('stored');
    if (stored.length > 0) await db.query('UPDATE outbox SET sent_at = now() WHERE id = ANY($1)', [stored]);
    const isOutcome = new Set(rows.filter(({ exchange }) => exchange === exchanges.outcomes).map(({ id }) => id));
    const unheard = idsOf('unroutable').filter((id) => isOutcome.has(id));
    if (unheard.length > 0) {
      await db.query(
        `UPDATE outbox SET attempts = attempts + 1, last_error = 'unroutable', next_at = created_at + $2::interval,
           sent_at = CASE WHEN now() >= created_at + $2::interval THEN now() END
         WHERE id = ANY($1)`,
        [unheard, unheardOutcomeKept],
      );
    }
    const unroutable = idsOf('unroutable').filter((id) => !isOutcome.has(id));
    if (unroutable.length > 0) {
      this.log.warn({ events: unroutable.length }, 'no queue is bound for some events');
      await db.query(
        `UPDATE outbox SET attempts = attempts + 1, last_error = 'unroutable',
           next_at = CASE WHEN attempts + 1 >= $2 THEN 'infinity' ELSE now() + least(600, power(2, attempts)) * interval '1 second' END
         WHERE id = ANY($1)`,
        [unroutable, maxAttempts],
      );
    }
  }
}
