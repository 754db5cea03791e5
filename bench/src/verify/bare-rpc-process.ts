import { connect } from 'amqplib';
import { Redis } from 'ioredis';

/** The barest verification over AMQP that keeps its tokens in Redis: one read per call, calls of a turn pipelined. */
const [amqpUrl = '', redisUrl = '', record = '{}'] = process.argv.slice(2);
const redis = new Redis(redisUrl, { enableAutoPipelining: true });
const key = `bench:${process.pid}`;
await redis.set(key, record, 'EX', 600);
const broker = await connect(amqpUrl);
const channel = await broker.createChannel();
await channel.assertQueue('bare', { durable: false, autoDelete: true });
await channel.consume('bare', (message) => {
  if (!message) return;
  const { id } = JSON.parse(message.content.toString()) as { id: string };
  const { replyTo, correlationId } = message.properties as { replyTo: string; correlationId: string };
  void redis.get(key).then((found) => channel.sendToQueue(replyTo, Buffer.from(JSON.stringify({ response: JSON.parse(found as string) as unknown, isDisposed: true, id })), { correlationId }));
}, { noAck: true });
process.send?.({ port: 0 });
