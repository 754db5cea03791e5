// An upstream system asks for a token over AMQP and hears what became of it. Needs: npm install amqplib
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';

const url = process.env.WRIT_AMQP_URL; // your broker user is your upstream's name
const upstream = decodeURIComponent(new URL(url).username);
const connection = await connect(url);
const channel = await connection.createConfirmChannel();

// A durable queue of your own keeps outcomes while you are away; its name begins with yours.
await channel.assertQueue(`${upstream}.outcomes`, { durable: true });
await channel.bindQueue(`${upstream}.outcomes`, 'writ.outcomes', `${upstream}.#`);

const id = randomUUID(); // the same id with the same body is the same request, however often you send it
const request = {
  specversion: '1.0', id, source: `urn:writ:upstream:${upstream}`, type: 'writ.token.request', datacontenttype: 'application/json',
  data: {
    requester: { id: 'svc:nightly-export' }, reason: 'nightly export of orders',
    resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P7D', delivery: { mode: 'claim' },
  },
};
channel.publish('writ.requests', 'token.request', Buffer.from(JSON.stringify(request)), {
  persistent: true, mandatory: true, userId: upstream, contentType: 'application/cloudevents+json',
});
await channel.waitForConfirms();

await channel.consume(`${upstream}.outcomes`, async (message) => {
  const { type, data } = JSON.parse(message.content.toString());
  channel.ack(message);
  if (data.submissionId !== id) return;
  console.log(type, data.tokenId ?? data.code ?? '');
  if (['writ.token.issued', 'writ.request.denied', 'writ.request.refused', 'writ.request.lapsed'].includes(type)) {
    setImmediate(() => connection.close());
  }
});
