import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { backlog, type Backlog, type Transactions } from '@writ/messaging';
import type { ServiceName } from '@writ/contracts';

/** Names what stops the service from working, or nothing. */
export type Check = () => Promise<string | undefined> | string | undefined;

const checkTimeoutMs = 2_000;

/** What a service says of its own state: checks, the backlog, metrics. */
export class Health {
  readonly registry = new Registry();
  private readonly checks: Check[] = [];
  private stopping = false;
  private last: Backlog = { outboxUnsent: 0, outboxOldestSeconds: 0, waiting: 0, parked: 0 };

  constructor(service: ServiceName, private readonly transactions: Transactions<ServiceName>) {
    this.registry.setDefaultLabels({ service });
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string, field: keyof Backlog) => new Gauge({
      name: `writ_${name}`, help, registers: [this.registry], collect: () => { gauges[field]?.set(this.last[field]); },
    });
    const gauges: Partial<Record<keyof Backlog, Gauge>> = {};
    gauges.outboxUnsent = gauge('outbox_unsent', 'Events not yet published (counted up to 10,001)', 'outboxUnsent');
    gauges.outboxOldestSeconds = gauge('outbox_oldest_seconds', 'Age of the oldest event not yet published', 'outboxOldestSeconds');
    gauges.waiting = gauge('inbox_waiting', 'Messages that failed and are tried again', 'waiting');
    gauges.parked = gauge('parked', 'Messages that wait for an operator', 'parked');
    this.checks.push(async () => {
      await this.transactions.read((db) => db.query('SELECT 1'));
      return undefined;
    });
  }

  /** Adds something that must hold for the service to be ready. */
  add(check: Check): void {
    this.checks.push(check);
  }

  /** From now on not ready: load balancers look elsewhere while the service finishes. */
  stop(): void {
    this.stopping = true;
  }

  /** Measures the backlog; the guard and the metrics use the last measure. */
  async measure(): Promise<void> {
    this.last = await this.transactions.read(backlog);
  }

  /** Whether work that can wait may add events now: it stops at half of what holds writers back, so that they never notice. */
  hasRoom(outboxLimit: number): boolean {
    return this.last.outboxUnsent <= outboxLimit / 2;
  }

  get backlog(): Backlog {
    return this.last;
  }

  async troubles(): Promise<string[]> {
    if (this.stopping) return ['the service is stopping'];
    const results = await Promise.all(this.checks.map((check) => bounded(check)));
    return results.filter((trouble) => trouble !== undefined);
  }

  metrics(): Promise<string> {
    return this.registry.metrics();
  }
}

async function bounded(check: Check): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, checkTimeoutMs, 'a check did not answer in time');
  });
  try {
    return await Promise.race([Promise.resolve().then(check), late]);
  } catch {
    return 'the database does not answer';
  } finally {
    clearTimeout(timer);
  }
}
