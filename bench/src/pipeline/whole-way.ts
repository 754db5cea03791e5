import { randomUUID } from 'node:crypto';
import { connect, type ChannelModel, type ConfirmChannel } from 'amqplib';
import pg from 'pg';
import { batchContentType, exchanges, splitEnvelopes, vhosts } from '@writ/contracts';
import { startPlatform, type Platform } from '../platform.js';
import { Meter } from '../process-cost.js';
import { quantile, type BenchOptions, type Row } from '../row.js';
import { bareWay } from './bare-way.js';

const window = 500;
const steadyPerSecond = 200;
const giveUpMs = 180_000;

/** Submission to the leaf of the issued token, through the real services with everything on, beside the barest program. */
export async function wholeWay({ quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 4_000 : 20_000;
  const platform = await startPlatform(say);
  try {
    const driver = await Driver.connect(platform);
    say('warming up');
    await driver.burst(quick ? 1_000 : 3_000);
    // What autovacuum does within the first minutes of any installation: without statistics plans are guesses.
    await platform.analyze();
    say(`whole way, ours: ${count} requests as fast as they go`);
    const meter = new Meter(platform.pids);
    const burst = await driver.burst(count);
    const costs = meter.read();
    for (const [name, { cpuUs, rssMb }] of costs) say(`  ${name.padEnd(10)} ${Math.round(cpuUs / count).toString().padStart(5)} µs of CPU a request, ${Math.round(rssMb)} MB`);
    say(`steady ${steadyPerSecond} requests/s for ${quick ? 10 : 30} s`);
    const steady = await driver.steady(quick ? 10 : 30);
    const anewCount = count / 2;
    say(`whole way, ours, every question new: ${anewCount} requests`);
    const anew = await driver.burst(anewCount, true);
    await driver.close();
    say('whole way, bare');
    const bare = await bareWay(anewCount, true);
    const remembering = await bareWay(count, false);
    const services = ['request', 'policy', 'issuer', 'audit'];
    const cpuUsPerOp = services.reduce((sum, name) => sum + (costs.get(name)?.cpuUs ?? 0), 0) / count;
    return [
      { bench: 'pipeline', name: 'whole way', kind: 'ours', perSecond: burst.perSecond, p50Ms: quantile(burst.latencies, 0.5), p99Ms: quantile(burst.latencies, 0.99), cpuUsPerOp, rssMb: Math.max(...services.map((name) => costs.get(name)?.rssMb ?? 0)), note: 'to the leaf in the log; latency to token.issued, under full load' },
      { bench: 'pipeline', name: 'whole way', kind: 'limit', perSecond: bare.perSecond, note: 'the same four hops; the engine decides each request' },
      { bench: 'pipeline', name: 'whole way, decisions remembered', kind: 'limit', perSecond: remembering.perSecond, note: `the same with our memory of equal questions: ours is ${(burst.perSecond / remembering.perSecond).toFixed(2)} of it` },
      { bench: 'pipeline', name: 'whole way, every question new', kind: 'ours', perSecond: anew.perSecond, note: 'no decision can be remembered, in neither program' },
      { bench: 'pipeline', name: 'whole way, every question new', kind: 'limit', perSecond: bare.perSecond },
      { bench: 'pipeline', name: `whole way at ${steadyPerSecond}/s`, kind: 'ours', perSecond: steady.perSecond, p50Ms: quantile(steady.latencies, 0.5), p99Ms: quantile(steady.latencies, 0.99), note: 'submission to token.issued' },
    ];
  } finally {
    await platform.stop();
  }
}

/** An upstream that counts what became of its requests. */
class Driver {
  private readonly sentAt = new Map<string, number>();
  private latencies: number[] = [];
  private asked = 0;

  private constructor(private readonly name: string, private readonly channel: ConfirmChannel, private readonly audit: pg.Client, private readonly closeAll: () => Promise<void>) {}

  static async connect(platform: Platform): Promise<Driver> {
    const url = platform.env.WRIT_AMQP_URL as string;
    const name = decodeURIComponent(new URL(url).username);
    const connection = await connect(url);
    const channel = await connection.createConfirmChannel();
    const audit = new pg.Client({ connectionString: platform.facts.databaseUrl('audit') });
    await audit.connect();
    const close = [() => connection.close(), () => audit.end()];
    const driver = new Driver(name, channel, audit, async () => {
      for (const each of close) await each();
    });
    // Its own outcomes go to a queue that somebody reads, as they do for every upstream.
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'writ.outcomes', `${name}.#`);
    await channel.consume(queue, () => undefined, { noAck: true });
    const listener = await driver.listen(platform.amqpUrl);
    close.push(() => listener.close());
    return driver;
  }

  /** Hears on the bus itself when a token was issued, and for which submission. */
  private async listen(amqpUrl: string): Promise<ChannelModel> {
    const url = new URL(amqpUrl);
    url.pathname = `/${vhosts.main}`;
    const connection = await connect(url.toString());
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    for (const key of ['request.submitted', 'token.issued']) await channel.bindQueue(queue, exchanges.events, key);
    const submissions = new Map<string, string>();
    await channel.consume(queue, (message) => {
      if (!message) return;
      const bodies = message.properties.contentType === batchContentType ? splitEnvelopes(message.content) : [message.content];
      for (const body of bodies) {
        const { data } = JSON.parse(body.toString()) as { data: { requestId: string; submissionId?: string } };
        if (data.submissionId !== undefined) submissions.set(data.requestId, data.submissionId);
        else this.issued(submissions.get(data.requestId) ?? '');
        if (data.submissionId === undefined) submissions.delete(data.requestId);
      }
    }, { noAck: true });
    return connection;
  }

  private issued(submissionId: string): void {
    const sent = this.sentAt.get(submissionId);
    if (sent !== undefined) this.latencies.push(performance.now() - sent);
    this.sentAt.delete(submissionId);
  }

  async burst(count: number, anew = false): Promise<{ perSecond: number; latencies: number[] }> {
    const leavesBefore = await this.leaves();
    this.latencies = [];
    const startedAt = performance.now();
    for (let i = 0; i < count; i += window) {
      for (let j = i; j < Math.min(count, i + window); j++) this.submit(j, anew ? `PT${86_400 - this.asked++}S` : undefined);
      await this.channel.waitForConfirms();
    }
    await this.wait(async () => this.latencies.length >= count && (await this.leaves()) - leavesBefore >= count);
    return { perSecond: count / ((performance.now() - startedAt) / 1000), latencies: this.latencies };
  }

  async steady(seconds: number): Promise<{ perSecond: number; latencies: number[] }> {
    this.latencies = [];
    const total = steadyPerSecond * seconds;
    const startedAt = performance.now();
    for (let sent = 0; sent < total;) {
      const due = Math.min(total, Math.floor(((performance.now() - startedAt) / 1000) * steadyPerSecond));
      for (; sent < due; sent++) this.submit(sent);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await this.wait(async () => this.latencies.length >= total);
    return { perSecond: total / ((performance.now() - startedAt) / 1000), latencies: this.latencies };
  }

  close(): Promise<void> {
    return this.closeAll();
  }

  private submit(i: number, ttl = 'P1D'): void {
    const id = randomUUID();
    this.sentAt.set(id, performance.now());
    const data = { requester: { id: `svc:${i % 50}`, team: 'orders' }, reason: 'nightly export of orders', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl, delivery: { mode: 'claim' } };
    const body = { specversion: '1.0', id, source: `urn:writ:upstream:${this.name}`, type: 'writ.token.request', time: new Date().toISOString(), datacontenttype: 'application/json', data };
    this.channel.publish('writ.requests', 'token.request', Buffer.from(JSON.stringify(body)), { persistent: true, mandatory: true, userId: this.name });
  }

  /** Leaves of issued tokens in the log. */
  private async leaves(): Promise<number> {
    const { rows } = await this.audit.query<{ n: string }>(`SELECT count(*) AS n FROM tlog_entry WHERE type = 'token.issued'`);
    return Number(rows[0]?.n ?? 0);
  }

  private async wait(done: () => Promise<boolean>): Promise<void> {
    for (const end = Date.now() + giveUpMs; !(await done()); await new Promise((resolve) => setTimeout(resolve, 50))) {
      if (Date.now() > end) throw new Error(`The pipeline did not finish within ${giveUpMs / 1000} s.`);
    }
  }
}
