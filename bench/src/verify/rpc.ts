import { connect, type Channel, type ChannelModel } from 'amqplib';
import { queues } from '@writ/contracts';
import { backingUrls } from '@writ/testing';
import { innerDigest } from '@writ/token';
import { Meter } from '../process-cost.js';
import { quantile, type BenchOptions, type Row } from '../row.js';
import { program } from './http.js';
import type { BenchIssuer } from './issuer-process.js';

const inFlight = 256;
const perBatch = 200;

/** Asks over AMQP with so many calls under way, by the broker's direct reply-to. */
class Asker {
  private readonly waiting = new Map<string, (body: Buffer) => void>();
  private next = 0;

  private constructor(private readonly broker: ChannelModel, private readonly channel: Channel, private readonly userId: string) {}

  static async open(url: string): Promise<Asker> {
    const broker = await connect(url);
    const channel = await broker.createChannel();
    const asker = new Asker(broker, channel, decodeURIComponent(new URL(url).username));
    await channel.consume('amq.rabbitmq.reply-to', (message) => {
      if (!message) return;
      const id = String(message.properties.correlationId);
      asker.waiting.get(id)?.(message.content);
      asker.waiting.delete(id);
    }, { noAck: true });
    return asker;
  }

  ask(queue: string, pattern: string, data: object): Promise<Buffer> {
    const id = String(this.next++);
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.channel.sendToQueue(queue, Buffer.from(JSON.stringify({ pattern, data, id })), { correlationId: id, replyTo: 'amq.rabbitmq.reply-to', userId: this.userId });
    });
  }

  async close(): Promise<void> {
    await this.broker.close();
  }
}

/** Verification over AMQP, beside a plain amqplib responder that reads Redis once. */
export async function overRpc(issuer: BenchIssuer, secrets: readonly string[], { quick, say }: BenchOptions): Promise<Row[]> {
  const url = issuer.bench.bus.adminUrl();
  const seconds = quick ? 4 : 10;
  const digests = secrets.map((secret) => innerDigest(secret).toString('base64url'));
  const bare = await program('bare-rpc-process', url, backingUrls().redis, JSON.stringify(await issuer.post('/v1/tokens/verify', { token: secrets[0] }, issuer.basic)));
  const asker = await Asker.open(url);
  const run = async (name: string, kind: Row['kind'], pid: number, queue: string, perCall: number, call: (i: number) => Promise<Buffer>, holds: string, note?: string): Promise<Row> => {
    say(`${name}, ${kind}`);
    const latencies: number[] = [];
    const meter = new Meter(new Map([['server', pid]]));
    const begun = performance.now();
    let i = 0;
    await Promise.all(Array.from({ length: perCall === 1 ? inFlight : 8 }, async () => {
      while (performance.now() - begun < seconds * 1_000) {
        const before = performance.now();
        const answer = await call(i++);
        if (latencies.length % 500 === 0 && !answer.includes(holds)) throw new Error(`unexpected answer over ${queue}: ${answer.toString().slice(0, 200)}`);
        latencies.push(performance.now() - before);
      }
    }));
    const count = latencies.length * perCall;
    const cost = meter.read().get('server');
    const perSecond = count / ((performance.now() - begun) / 1_000);
    return { bench: 'verify', name, kind, perSecond, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99), cpuUsPerOp: (cost?.cpuUs ?? 0) / count, rssMb: cost?.rssMb, note };
  };
  const one = (i: number) => ({ digest: digests[i % digests.length] });
  try {
    return [
      await run('rpc verify', 'ours', issuer.pid, queues.rpc, 1, (i) => asker.ask(queues.rpc, 'token.verify', one(i)), '"valid":true'),
      await run('rpc verify', 'limit', bare.process.pid as number, 'bare', 1, (i) => asker.ask('bare', 'token.verify', one(i)), '"valid":true', 'amqplib reply-to, one Redis read'),
      await run('rpc verify batch', 'ours', issuer.pid, queues.rpc, perBatch, (i) => asker.ask(queues.rpc, 'token.verify-batch', { tokens: Array.from({ length: perBatch }, (_, j) => one(i * perBatch + j)) }), '"valid":true', `${perBatch} tokens a call`),
    ];
  } finally {
    await asker.close();
    bare.process.kill('SIGKILL');
  }
}
