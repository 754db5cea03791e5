import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { ServiceName } from '@writ/contracts';
import type { Log } from './log.js';
import type { OutboxReader } from './outbox-reader.js';
import type { OutboxRow } from './outbox.js';
import { pack, publicationOf } from './pack.js';
import { paceMs, Pause, roundSize } from './pause.js';
import type { Publisher } from './publisher.js';
import type { Outlet } from './transaction.js';

/** What is not published by then, because this process died or the broker is slow, others publish. */
const graceSeconds = 5;
const mostWaiting = 2_000;
/** Published events are struck off together: one small transaction a time instead of one a round. */
const strikeEveryMs = 250;
const mostSent = 2_000;

/**
 * Publishes what the transactions of this process said, from memory and right after their commit: nothing is read back.
 * The outbox stays the truth. What does not get through here is due there, at once or after the grace; a crash before an
 * event is struck off publishes it again, and consumers drop the second copy by its id.
 */
export class Relay implements Outlet {
  private waiting: OutboxRow[] = [];
  private sent: string[] = [];
  private struckAt = 0;
  private striking?: Promise<void>;
  private stopped = false;
  private readonly pause = new Pause();
  private running?: Promise<void>;

  constructor(
    private readonly source: DataSource,
    private readonly service: ServiceName,
    private readonly publisher: Publisher,
    private readonly reader: OutboxReader,
    private readonly log: Log,
  ) {}

  get graceSeconds(): number {
    return this.stopped || this.publisher.trouble || this.waiting.length >= mostWaiting ? 0 : graceSeconds;
  }

  take(rows: OutboxRow[], grace: number): void {
    if (grace === 0) return this.reader.hint();
    for (const row of rows) this.waiting.push(row);
    this.pause.end();
  }

  start(): void {
    this.running = this.loop();
  }

  /** Publishes what waits, or leaves it to others, and stops. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.pause.end();
    await this.running;
    while (this.waiting.length > 0) await this.round();
    await this.striking;
    await this.strike();
  }

  private async loop(): Promise<void> {
    while (!this.stopped) {
      if (this.waiting.length === 0) await this.pause.for(this.sent.length > 0 ? strikeEveryMs : undefined);
      const startedAt = performance.now();
      await this.round();
      if (this.sent.length >= mostSent || startedAt - this.struckAt >= strikeEveryMs) void this.strike();
      const rest = paceMs - (performance.now() - startedAt);
      if (rest > 0 && !this.stopped) await sleep(rest);
    }
  }

  private async round(): Promise<void> {
    const rows = this.waiting.splice(0, roundSize);
    if (rows.length === 0) return;
    const packs = pack(rows);
    const results = await this.publisher.publish(packs.map((each) => publicationOf(this.service, each)));
    const idsOf = (stored: boolean) => packs.flatMap((each, i) => ((results[i] === 'stored') === stored ? each.rows.map(({ id }) => id) : []));
    this.sent.push(...idsOf(true));
    const left = idsOf(false);
    if (left.length > 0) await this.giveBack(left);
  }

  /** Why an event did not get through is for the reader to find out and to act upon. */
  private async giveBack(ids: string[]): Promise<void> {
    await this.write('UPDATE outbox_unsent SET next_at = now() WHERE id = ANY($1)', ids);
    this.reader.hint();
  }

  private strike(): Promise<void> {
    this.striking ??= this.strikeAll().finally(() => {
      this.striking = undefined;
    });
    return this.striking;
  }

  private async strikeAll(): Promise<void> {
    const ids = this.sent;
    this.sent = [];
    this.struckAt = performance.now();
    if (ids.length > 0) await this.write('DELETE FROM outbox_unsent WHERE id = ANY($1)', ids);
  }

  private async write(sql: string, ids: string[]): Promise<void> {
    try {
      await this.source.query(sql, [ids]);
    } catch (error) {
      // They are due after the grace: then they are published, perhaps once more.
      this.log.warn({ err: error, events: ids.length }, 'the outbox cannot be written; its events are published again');
    }
  }
}
