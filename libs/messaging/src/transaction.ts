import { randomFillSync } from 'node:crypto';
import { AsyncLocalStorage } from 'node:async_hooks';
import type { DataSource, QueryRunner } from 'typeorm';
import {
  cloudEventType, exchanges, makeId, saysOf, sourceOf, type Envelope, type EventData, type EventId, type EventType, type Says,
  type ServiceName,
} from '@writ/contracts';
import { Db } from './database.js';
import { writeOutbox, type OutboxEvent, type OutboxRow } from './outbox.js';

export interface EmitOptions {
  /** Id of the thing that changed; by default the first id field of the data. */
  subject?: string;
  /** The subject's version after this change: 1, 2, 3 … without a gap. */
  version?: number;
}

/**
 * One database transaction and what is said when it commits. Handlers get it, stores get only its `db`.
 * There is no other way to emit, so an event exists if and only if its change does.
 */
export class Tx<S extends ServiceName> {
  private readonly said: OutboxEvent[] = [];
  private readonly written: EventId[] = [];
  private readonly beforeCommits: (() => Promise<void>)[] = [];
  private readonly afterCommit: (() => void)[] = [];

  constructor(readonly db: Db, private readonly service: S, private readonly nowMs: () => number) {}

  /** Says an event when this transaction commits. @returns the event's id, which is also its audit receipt */
  emit<T extends Says<S>>(type: T, data: EventData<T & EventType>, options: EmitOptions = {}): EventId {
    // The types say so too, but a handler may be in the wrong service or name its transaction wrongly.
    if (!saysOf(this.service).includes(type)) throw new Error(`${this.service} may not say ${type}; see flow.ts.`);
    return this.say(exchanges.events, type, type, data, options);
  }

  /**
   * Tells one upstream the outcome of its request. Only the request service may.
   * @param id where the same outcome may be told again: the same each time, so that the upstream can tell
   */
  tell<T extends EventType>(this: Tx<'request'>, upstream: string, type: T, data: object, subject: string, id?: EventId): EventId {
    return this.say(exchanges.outcomes, `${upstream}.${type}`, type, data, { subject }, id);
  }

  /**
   * Runs once when every handler of this transaction is done, before its events are written: for work that needs all
   * messages of a batch together. What it throws rolls everything back.
   */
  beforeCommit(work: () => Promise<void>): void {
    this.beforeCommits.push(work);
  }

  /** Runs after a successful commit, in this process only: for hints and caches, never for state. */
  onCommit(effect: () => void): void {
    this.afterCommit.push(effect);
  }

  /** Names an entry that this transaction writes into the log itself: it is a receipt like an event's. */
  wrote(id: EventId): void {
    this.written.push(id);
  }

  /** What this transaction is answered for with. */
  get receipts(): readonly EventId[] {
    return [...this.said.map(({ id }) => id), ...this.written];
  }

  /** Writes everything gathered so far but does not commit. */
  async flush(): Promise<void> {
    await this.db.flush();
  }

  /**
   * Writes the outbox as the transaction's last statement: the counters it locks are held for the commit only.
   * @param graceSeconds how long the events are left to the relay of this process
   * @param act whose act this is; said where nothing else was, so that no change by hand is without an entry in the log
   */
  async close(graceSeconds: number, act?: ActOf): Promise<OutboxRow[]> {
    await this.flush();
    for (const work of this.beforeCommits) await work();
    await this.flush();
    const acted = this.said.length + this.written.length === 0 ? act?.() : undefined;
    if (acted) this.say(exchanges.events, 'act.recorded', 'act.recorded', acted, { subject: acted.service });
    return writeOutbox(this.db, this.service, this.said, graceSeconds);
  }

  committed(): void {
    for (const effect of this.afterCommit) effect();
  }

  private say(exchange: string, routingKey: string, type: EventType, data: object, options: EmitOptions, givenId?: EventId): EventId {
    const nowMs = this.nowMs();
    const id = givenId ?? makeId('evt', nowMs, tenRandomBytes());
    const subject = options.subject ?? subjectOf(data);
    const traceparent = traces.getStore();
    const envelope: Envelope = {
      specversion: '1.0',
      id,
      source: sourceOf(this.service),
      type: cloudEventType(type),
      time: new Date(nowMs).toISOString(),
      datacontenttype: 'application/json',
      subject,
      ...(options.version === undefined ? {} : { aggregateversion: options.version }),
      ...(traceparent === undefined ? {} : { traceparent }),
      data,
    };
    this.said.push({ id, exchange, routingKey, subject, body: JSON.stringify(envelope) });
    return id;
  }
}

const subjectFields = ['requestId', 'tokenId', 'alertId', 'reportId', 'policyDigest', 'ownerId'] as const;
function subjectOf(data: object): string {
  // A token's events name the token, also where they name its request.
  const fields = data as Record<string, unknown>;
  if (typeof fields.tokenId === 'string') return fields.tokenId;
  for (const field of subjectFields) if (typeof fields[field] === 'string') return fields[field];
  return 'none';
}

const traces = new AsyncLocalStorage<string>();
const wellFormedTrace = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Does work whose events carry on a trace (W3C Trace Context); what is no `traceparent` is left out. */
export function traced<Result>(traceparent: string | undefined, work: () => Result): Result {
  return traceparent !== undefined && wellFormedTrace.test(traceparent) ? traces.run(traceparent, work) : work();
}

/** Collects the ids of the events that one piece of work emitted, for `X-Audit-Receipt`. */
export const receipts = new AsyncLocalStorage<EventId[]>();

/** Tells whose act the work at hand is; nothing where it is nobody's, or a machine's whose acts have events of their own. */
export type ActOf = () => EventData<'act.recorded'> | undefined;
export const acts = new AsyncLocalStorage<ActOf>();

/** Where the events of a transaction go when it has committed. */
export interface Outlet {
  /** How long it wants the next events for itself before others may publish them; 0: it only wants to know of them. */
  readonly graceSeconds: number;
  take(rows: OutboxRow[], graceSeconds: number): void;
}

/** Opens transactions for doors other than the bus: HTTP routes and jobs. */
export class Transactions<S extends ServiceName> {
  private readonly listeners: (() => void)[] = [];
  private outlet?: Outlet;

  /** @param nowMs milliseconds since 1970 that events carry; the machine's where nothing is given */
  constructor(private readonly source: DataSource, private readonly service: S, private readonly nowMs: () => number = Date.now) {}

  /** Without an outlet, as in a program that only writes, the events are published by whoever reads the outbox. */
  leadTo(outlet: Outlet): void {
    this.outlet = outlet;
  }

  /** Called after every commit that said something. */
  onSaid(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Runs the work in one transaction. Whatever it throws rolls everything back, the events included. */
  async run<Result>(work: (tx: Tx<S>) => Promise<Result>): Promise<Result> {
    const runner = this.source.createQueryRunner();
    try {
      await runner.startTransaction();
      const tx = new Tx(new Db(runner), this.service, this.nowMs);
      const result = await work(tx);
      const named = receipts.getStore();
      const graceSeconds = this.outlet?.graceSeconds ?? 0;
      const said = await tx.close(graceSeconds, named?.length === 0 ? acts.getStore() : undefined);
      await runner.commitTransaction();
      named?.push(...tx.receipts);
      tx.committed();
      if (said.length > 0) this.outlet?.take(said, graceSeconds);
      if (said.length > 0) for (const listener of this.listeners) listener();
      return result;
    } catch (error) {
      await rollBack(runner);
      throw error;
    } finally {
      await runner.release();
    }
  }

  /** Reads outside a transaction, each statement for itself. */
  async read<Result>(work: (db: Db) => Promise<Result>): Promise<Result> {
    const runner = this.source.createQueryRunner();
    try {
      return await work(new Db(runner));
    } finally {
      await runner.release();
    }
  }
}

async function rollBack(runner: QueryRunner): Promise<void> {
  if (!runner.isTransactionActive) return;
  try {
    await runner.rollbackTransaction();
  } catch {
    // The connection died: PostgreSQL rolls back by itself, and the first error says more than this one.
  }
}

const pool = Buffer.alloc(4_000);
let used = pool.length;
/** Fetched for hundreds of ids at once: asking the kernel for each costs more than the rest of an id. */
function tenRandomBytes(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += 10;
  return pool.subarray(used - 10, used);
}
