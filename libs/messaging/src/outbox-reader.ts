import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { exchanges, type ServiceName } from '@writ/contracts';
import { Db } from './database.js';
import type { Log } from './log.js';
import type { OutboxRow } from './outbox.js';
import { pack, publicationOf, type Pack } from './pack.js';
import { paceMs, Pause, roundSize } from './pause.js';
import type { Publisher, PublishResult } from './publisher.js';

const busyMs = 25;
const idleMs = 1_000;
const troubleMs = 1_000;
/** An event that no queue wants is kept: whoever binds one hears it after this time at the latest. */
const longestUnroutable = '10 minutes';
/** So long after an outcome first found no queue its upstream has to bind one, perhaps again; then it has to ask. */
const unheardOutcomeKept = '5 seconds';

/**
 * Publishes what is due in the outbox: what a relay had no room for, gave back, or took along when its process died.
 * Any number of replicas may read: SKIP LOCKED gives each row to one. A crash between publish and mark publishes again;
 * consumers drop the second copy by its id.
 */
export class OutboxReader {
  private hinted = false;
  private stopped = false;
  private readonly pause = new Pause();
  private running?: Promise<void>;

  constructor(
    private readonly source: DataSource,
    private readonly service: ServiceName,
    private readonly publisher: Publisher,
    private readonly log: Log,
  ) {}

  start(): void {
    this.running = this.loop();
  }

  /** There is something new: do not wait for the next poll. */
  hint(): void {
    this.hinted = true;
    this.pause.end();
  }

  /** Publishes what is there, for at most the given time, and stops. */
  async stop(flushMs = 5_000): Promise<void> {
    this.stopped = true;
    this.pause.end();
    await this.running;
    const until = Date.now() + flushMs;
    while (Date.now() < until && !this.publisher.trouble && (await this.round()) > 0);
  }

  private async loop(): Promise<void> {
    let wait = busyMs;
    while (!this.stopped) {
      if (!this.hinted) await this.pause.for(wait);
      this.hinted = false;
      const startedAt = performance.now();
      try {
        const sent = this.publisher.trouble ? -1 : await this.round();
        wait = sent > 0 ? busyMs : sent < 0 ? troubleMs : Math.min(idleMs, wait * 2);
        if (sent === roundSize) this.hinted = true;
        else if (sent > 0 && !this.stopped) await sleep(Math.max(0, paceMs - (performance.now() - startedAt)));
      } catch (error) {
        this.log.warn({ err: error }, 'the outbox could not be read; trying again');
        wait = troubleMs;
      }
    }
  }

  /**
   * One round: the rows stay locked while the broker confirms, which is what keeps other replicas off them.
   * @returns how many events it took up, or -1 when it came to know nothing of any of them
   */
  private async round(): Promise<number> {
    const runner = this.source.createQueryRunner();
    try {
      await runner.startTransaction();
      const db = new Db(runner);
      const rows = await db.query<OutboxRow>(
        `SELECT id, event_id, exchange, routing_key, subject, body, partition, n FROM outbox_unsent u JOIN outbox USING (id)
         WHERE next_at <= now() ORDER BY id LIMIT $1 FOR UPDATE OF u SKIP LOCKED`,
        [roundSize],
      );
      const packs = pack(rows);
      const results = packs.length > 0 ? await this.publisher.publish(packs.map((each) => publicationOf(this.service, each))) : [];
      await this.mark(db, packs, results);
      await runner.commitTransaction();
      return rows.length > 0 && results.every((result) => result === 'unknown') ? -1 : rows.length;
    } catch (error) {
      if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  private async mark(db: Db, packs: Pack[], results: PublishResult[]): Promise<void> {
    const idsOf = (result: PublishResult, of: (exchange: string) => boolean) =>
      packs.flatMap(({ exchange, rows }, i) => (results[i] === result && of(exchange) ? rows.map(({ id }) => id) : []));
    const stored = idsOf('stored', () => true);
    if (stored.length > 0) await db.query('DELETE FROM outbox_unsent WHERE id = ANY($1)', [stored]);
    const unheard = idsOf('unroutable', (exchange) => exchange === exchanges.outcomes);
    if (unheard.length > 0) {
      await db.query(
        `WITH over AS (DELETE FROM outbox_unsent WHERE id = ANY($1) AND attempts > 0)
         UPDATE outbox_unsent SET attempts = 1, last_error = 'unroutable', next_at = now() + $2::interval WHERE id = ANY($1) AND attempts = 0`,
        [unheard, unheardOutcomeKept],
      );
    }
    const unroutable = idsOf('unroutable', (exchange) => exchange !== exchanges.outcomes);
    if (unroutable.length > 0) {
      this.log.warn({ events: unroutable.length }, 'no queue is bound for some events');
      await db.query(
        `UPDATE outbox_unsent SET attempts = attempts + 1, last_error = 'unroutable',
           next_at = now() + least($2::interval, power(2, least(attempts, 20)) * interval '1 second')
         WHERE id = ANY($1)`,
        [unroutable, longestUnroutable],
      );
    }
  }
}
