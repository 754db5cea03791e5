import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { postSigned } from '@writ/service';
import { until, type Tap } from '@writ/testing';
import { WebhookEndpoint } from '../src/reviews/webhook-endpoint.js';
import { filesWithDevDays, setFiles, World } from './set-up.js';

const secret = `whsec_${randomBytes(32).toString('base64')}`;
const received: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
let world: World;
let tap: Tap;
let receiver: Server;
let address: string;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => { body += text; }).on('end', () => {
      received.push({ path: String(request.url), headers: request.headers, body });
      if (request.url === '/redirect') response.writeHead(302, { location: `${address}/secret` });
      response.end('ok');
    });
  });
  await new Promise<void>((resolve) => { receiver.listen(0, '127.0.0.1', resolve); });
  address = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
  const webhooks = [
    { name: 'security-desk', url: `${address}/standard`, secret, groups: ['security'], allowPrivate: true },
    { name: 'chat', url: `${address}/slack`, secret, kind: 'slack', allowPrivate: true },
    { name: 'billing-desk', url: `${address}/billing`, secret, groups: ['billing'], allowPrivate: true },
  ];
  world = await World.create({ WRIT_WEBHOOKS: JSON.stringify(webhooks), WRIT_CONSOLE_URL: 'https://console.example' });
  tap = await world.bench.bus.tap();
  await world.activate('admin', await world.upload(setFiles()));
});
afterAll(async () => {
  await world.drop();
  await new Promise((resolve) => { receiver.close(resolve); });
});

const of = (request: { requestId: string }) => (data: Record<string, unknown>) => data.requestId === request.requestId;
const hold = async (wish: object = {}) => {
  const request = await world.submit({ scopes: ['orders:write'], environment: 'prod', ...wish });
  await tap.next('request.held', of(request));
  return request;
};
const noticeOf = (about: string, path: string, type: string) => until(
  () => received.find((one) => one.path === path && one.body.includes(about) && one.headers['webhook-id']?.includes(type)), `${type} at ${path}`,
);

describe('reviewers and requesters', () => {
  it('hear of a review by a signed webhook and a chat message with a link, and of its end', async () => {
    const request = await hold({ requester: 'svc:told' });
    const opened = await noticeOf(request.requestId, '/standard', 'review.opened');
    const verified = new Webhook(secret).verify(opened.body, opened.headers as Record<string, string>);
    expect(verified).toMatchObject({ type: 'review.opened', data: { requestId: request.requestId, require: [{ group: 'security', approvers: 2 }], url: `https://console.example/reviews/${request.requestId}` } });
    expect(() => new Webhook(secret).verify(opened.body.replace('orders:write', 'orders:admin'), opened.headers as Record<string, string>)).toThrow();
    await noticeOf(request.requestId, '/slack', 'review.opened');
    expect(received.filter(({ path }) => path === '/billing')).toHaveLength(0);
    await world.call('reviewer', 'POST', `/v1/reviews/${request.requestId}/votes`, { vote: 'deny', reason: 'not now' });
    expect((await noticeOf(request.requestId, '/standard', 'review.closed')).body).toContain('denied');
  });

  it('are reminded once when half of the time has passed, and others are called before it is over', async () => {
    const request = await hold({ requester: 'svc:slow' });
    await world.rows(`UPDATE request SET opened_at = now() - interval '6 minutes', lapses_at = now() + interval '1 minute' WHERE request_id = $1`, [request.requestId]);
    await noticeOf(request.requestId, '/standard', 'review.reminder');
    await noticeOf(request.requestId, '/standard', 'review.escalated');
    expect(received.filter(({ path, headers }) => path === '/standard' && headers['webhook-id'] === `${request.requestId}.review.reminder`)).toHaveLength(1);
  });

  it('are not flooded: near-identical requests of one machine are one item with the differences shown, decided together', async () => {
    const flood = await Promise.all(Array.from({ length: 12 }, (_, i) => hold({ requester: 'svc:agent', ttl: `PT${i + 1}H`, reason: `try ${i + 1}` })));
    const { body } = await world.call('reviewer', 'GET', '/v1/reviews?status=open&collapse=true');
    const mine = body.items.filter(({ requester }) => requester.id === 'svc:agent');
    expect(mine).toHaveLength(1);
    const [item] = mine;
    expect(item!.alike).toHaveLength(11);
    for (const { differences } of item!.alike!) expect(differences.map(({ field }) => field)).toEqual(['ttl', 'reason']);
    const ids = flood.map(({ requestId }) => requestId);
    await noticeOf('svc:agent', '/standard', 'review.opened');
    expect(new Set(received.filter(({ path, body: text }) => path === '/standard' && text.includes('svc:agent')).map(({ headers }) => headers['webhook-id'])).size).toBeLessThan(12);

    const stranger = await hold({ requester: 'svc:other' });
    const all = { vote: 'approve', reason: 'same job', also: [...ids.filter((id) => id !== item!.requestId), stranger.requestId] };
    expect((await world.call('reviewer', 'POST', `/v1/reviews/${item!.requestId}/votes`, all)).body.code).toBe('not-alike');
    expect(await world.rows('SELECT 1 FROM vote WHERE request_id = ANY($1)', [ids])).toHaveLength(0);
    all.also.pop();
    await world.call('reviewer', 'POST', `/v1/reviews/${item!.requestId}/votes`, all);
    await world.call('reviewer2', 'POST', `/v1/reviews/${item!.requestId}/votes`, all);
    for (const request of flood) {
      const approval = await tap.next('request.approved', of(request));
      expect(approval.envelope.data.requestDigest).toBe(request.requestDigest);
    }
    expect(new Set(tap.ofType('request.approved').flatMap(({ envelope }) => envelope.data.votes as string[])).size).toBe(24);
  });

  it('can refuse from a chat, and approve nowhere without a fresh sign-in (G10)', async () => {
    const request = await hold({ requester: 'svc:chat' });
    const bearer = await world.bench.identity.token({ sub: 'dev-reviewer', groups: ['reviewers', 'security'], signedInAgo: 7_200 });
    const path = `/v1/reviews/${request.requestId}`;
    expect((await world.call({ bearer }, 'POST', `${path}/votes`, { vote: 'approve', reason: 'yes' })).body.code).toBe('step-up-needed');
    expect((await world.call({ bearer }, 'POST', `${path}/refusals`, { vote: 'approve', reason: 'yes' })).status).toBe(400);
    expect((await world.call({ bearer }, 'POST', `${path}/refusals`, { reason: 'no' })).body.status).toBe('denied');
  });

  it('are people in the group now, by its id: a group of a similar name is another group (G10)', async () => {
    const request = await hold({ requester: 'svc:groups' });
    for (const group of ['Security', 'security-team', 'orders/security']) {
      const bearer = await world.bench.identity.token({ sub: 'dev-other', groups: ['reviewers', group] });
      expect((await world.call({ bearer }, 'POST', `/v1/reviews/${request.requestId}/votes`, { vote: 'approve', reason: 'x' })).body.code).toBe('not-in-a-group');
    }
  });

  it('never own what asks: the owner of a service does not approve for it (G10)', async () => {
    const request = await hold({ requester: 'svc:owned' });
    expect((await world.call('reviewer', 'POST', `/v1/reviews/${request.requestId}/votes`, { vote: 'approve', reason: 'mine' })).body.code).toBe('owner-of-requester');
    expect((await world.call('reviewer2', 'GET', `/v1/reviews/${request.requestId}`)).body.mayVote).toBe(true);
  });

  it('decide alone or together, never both: of racing votes each counts once and one outcome is said (G2)', async () => {
    const request = await hold({ requester: 'svc:race' });
    const cast = (who: 'reviewer' | 'reviewer2', vote: string) => world.call(who, 'POST', `/v1/reviews/${request.requestId}/votes`, { vote, reason: 'race' });
    const [yes, no] = await Promise.all([cast('reviewer', 'approve'), cast('reviewer2', 'deny'), cast('reviewer', 'approve'), cast('reviewer2', 'approve')]);
    expect([yes.status, no.status].every((status) => status === 200 || status === 409)).toBe(true);
    await until(() => ['request.approved', 'request.denied'].some((type) => tap.ofType(type).some(({ envelope }) => of(request)(envelope.data))), 'an outcome');
    const outcomes = ['request.approved', 'request.denied'].flatMap((type) => tap.ofType(type)).filter(({ envelope }) => of(request)(envelope.data));
    expect(outcomes).toHaveLength(1);
  });
});

describe('policy sets that approve themselves', () => {
  it('are refused: a quorum of nobody, a group that does not exist', async () => {
    const rules = setFiles()['rules.cedar']!;
    const validate = async (changed: string) => (await world.call('admin', 'POST', '/v1/policy-sets/validate', { files: { ...setFiles(), 'rules.cedar': changed } })).body;
    expect((await validate(rules.replace('@approvers("2")', '@approvers("0")'))).problems.map(({ code }) => code)).toContain('zero-quorum');
    expect((await validate(rules.replace('@group("security")', '@group("secruity")'))).problems.map(({ code, line }) => [code, line > 1])).toContainEqual(['unknown-group', true]);
    expect(await validate(rules)).toMatchObject({ valid: true, loosening: { loosened: false }, analysis: { exhaustive: true } });
  });
});

describe('the past', () => {
  it('says what a draft would have done, the same as deciding each again', async () => {
    for (const days of [1, 5, 10]) await tap.next('request.approved', of(await world.submit({ requester: 'svc:past', ttl: `P${days}D` })));
    const draft = await world.upload(filesWithDevDays(7));
    const before = (await world.rows('SELECT 1 FROM decision')).length;
    const started = await world.call('admin', 'POST', `/v1/policy-sets/${encodeURIComponent(draft)}/simulate`, { days: 7 });
    expect([started.status, started.body.state]).toEqual([202, 'running']);
    const finished = await until(async () => {
      const { body } = await world.call('admin', 'GET', `/v1/simulations/${started.body.simulationId}`);
      return body.state === 'done' && body;
    }, 'the simulation');
    const flips = (await world.rows<{ request_id: string; record: string }>('SELECT request_id, record FROM decision WHERE ordinal = 1'))
      .filter(({ record }) => (JSON.parse(record) as { outcome: string; input: { ttlSeconds: number } }).outcome === 'approve' && (JSON.parse(record) as { input: { ttlSeconds: number } }).input.ttlSeconds > 7 * 86_400);
    expect(flips).toHaveLength(1);
    expect(finished.report).toMatchObject({ flipped: 1, flips: [{ requestId: flips[0]!.request_id, before: 'approve', after: 'hold' }], loosened: false, matrix: { 'approve→hold': 1 } });
    expect((finished.report as unknown as { tokens: { held: string[] } }).tokens.held).toEqual([flips[0]!.request_id]);
    expect(finished.total).toBe(finished.done);
    expect((await world.rows('SELECT 1 FROM decision')).length).toBe(before);
  });

  it('is taken up by another replica when the one that began is gone', async () => {
    const draft = await world.upload(filesWithDevDays(7));
    const { body } = await world.call('admin', 'POST', `/v1/policy-sets/${encodeURIComponent(draft)}/simulate`, {});
    await world.rows(`UPDATE simulation SET state = 'running', report = NULL, beat_at = now() - interval '1 minute' WHERE simulation_id = $1`, [body.simulationId]);
    await until(async () => (await world.call('admin', 'GET', `/v1/simulations/${body.simulationId}`)).body.state === 'done', 'the simulation to be finished');
  });
});

describe('a webhook', () => {
  const endpoint = (more: Partial<WebhookEndpoint>) => Object.assign(new WebhookEndpoint(), { name: 'x', secret, kind: 'standard' }, more);
  const send = (more: Partial<WebhookEndpoint>) => postSigned(endpoint(more), { notice_id: 'n', body: '{}' }, new Date(), 500);

  it('goes neither inside the network, nor in the clear, nor where a redirect points', async () => {
    const count = received.length;
    expect(await send({ url: `${address}/x` })).toBe('the address is not https');
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '2130706433', '0x7f.1', '169.254.169.254']) expect(await send({ url: `https://${host}/x` })).toBe('the address lies inside a network');
    expect(received).toHaveLength(count);
    expect(await send({ url: `${address}/redirect`, allowPrivate: true })).toBe('the receiver answered 302');
    expect(received.some(({ path }) => path === '/secret')).toBe(false);
  });

  it('that hangs is given up', async () => {
    const mute = createServer(() => undefined);
    await new Promise<void>((resolve) => { mute.listen(0, '127.0.0.1', resolve); });
    const begun = Date.now();
    await expect(send({ url: `http://127.0.0.1:${(mute.address() as AddressInfo).port}/`, allowPrivate: true })).rejects.toThrow(/abort|timeout/i);
    expect(Date.now() - begun).toBeLessThan(3_000);
    mute.closeAllConnections();
    await new Promise((resolve) => { mute.close(resolve); });
  });
});
