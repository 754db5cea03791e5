import { randomBytes } from 'node:crypto';
import { connect, type ChannelModel } from 'amqplib';
import { everyoneSays, exchanges, makeId, saysOf, services, typePrefix, vhosts, type RequestAnswer, type RotationAnswer, type ServiceName, type TokenView } from '@writ/contracts';
import { as, entriesOf, freshToken, until, untilStatus, Upstream, verify, wish } from '../platform.js';
import { stolen } from './callers.js';
import { Thief } from './thief.js';

/**
 * What services really said, heard on the bus, and said again with the stolen broker credentials of the service that said
 * it: as it was, all backwards, with one field changed, under a new id, and about somebody else's token and request.
 */

interface Said { id: string; type: string; source: string; subject: string; data: Record<string, unknown> & { tokenId?: string; requestId?: string } }

const heard: { key: string; body: Buffer; contentType: string; events: Said[] }[] = [];
let eavesdropper: ChannelModel;
let upstream: Upstream;
const thieves = new Map<ServiceName, Thief>();
const requester = as('requester');
/** Of an owner of its own: made-up uses can cost an owner the monitor's trust, and then people look at every request. */
const robbed = (more: Record<string, unknown> = {}) => ({ requester: { id: 'svc:e2e-robbed', team: 'orders' }, ...more });
const submit = async (more: Record<string, unknown>) => (await requester.request.post<RequestAnswer>('/v1/requests', { body: wish(robbed(more)) })).requestId;
const big = { scopes: ['orders:write'], environment: 'prod' };
const vote = (requestId: string, part: string, how: 'approve' | 'deny') => as(part).policy.post(`/v1/reviews/${requestId}/votes`, { body: { vote: how, reason: 'known job' } });
async function held(): Promise<string> {
  const requestId = await submit(big);
  await untilStatus(requestId, 'held');
  return requestId;
}

beforeAll(async () => {
  const url = new URL(stolen<{ amqpUrl: string }>('backing', 'backing.json').amqpUrl);
  url.pathname = `/${vhosts.main}`;
  eavesdropper = await connect(url.href, { timeout: 5_000 });
  const channel = await eavesdropper.createChannel();
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, exchanges.events, '#');
  await channel.consume(queue, (message) => {
    if (!message) return;
    const body = JSON.parse(message.content.toString()) as Said | Said[];
    heard.push({ key: message.fields.routingKey, body: message.content, contentType: String(message.properties.contentType), events: Array.isArray(body) ? body : [body] });
  }, { noAck: true });
  for (const service of services) thieves.set(service, await Thief.of(service));
  upstream = await Upstream.connect();
});
afterAll(async () => {
  await Promise.all([eavesdropper.close(), upstream.close(), ...[...thieves.values()].map((thief) => thief.close())]);
});

/** Whoever hears these demands a signature that fits. */
const signed = ['request.submitted', 'request.approved', 'policy.activated', 'rotation.due', 'rotation.steered', 'misuse.detected', 'leak.reported'];
/** What takes a day, a departed owner, another policy set, an open breaker or a broken log to be said; of these `messages` forges some. */
const notLedTo = [
  ...everyoneSays, 'request.lapsed', 'policy.activated', 'issue.refused', 'token.expired', 'token.orphaned', 'token.transferred', 'token.straggling',
  'rotation.blocked', 'token.expiring', 'stop.blocked', 'audit.finding', 'leak.reported', 'narrowing.proposed',
] as string[];
const typeOf = ({ type }: Said) => type.slice(typePrefix.length);
/** What the lives below should have led to and nobody said yet. */
function unheard(): string[] {
  const types = new Set(heard.flatMap(({ events }) => events.map(typeOf)));
  return services.flatMap((service) => saysOf(service)).filter((type) => !types.has(type) && !notLedTo.includes(type));
}
const eventsOf = (service: ServiceName) => heard.flatMap(({ events }) => events).filter(({ source }) => source.endsWith(`:${service}`));

type Fresh = Awaited<ReturnType<typeof freshToken>>;
/** Lives that make services say most of what they can say. @returns every secret with its token */
async function live(): Promise<{ tokenId: string; secret: string }[]> {
  const [rotated, stopped, ended, bait, burnt] = await Promise.all([1, 2, 3, 4, 5].map((i) => freshToken(i < 5 ? robbed() : { requester: { id: 'svc:e2e-replayed', team: 'orders' } }))) as [Fresh, Fresh, Fresh, Fresh, Fresh];
  const rotate = async () => {
    const { rotationId } = await until('rotation to know the token', () => requester.rotation.post<RotationAnswer>(`/v1/tokens/${rotated.tokenId}/rotate`, { body: {} }).catch(() => undefined));
    await until('the successor', async () => (await requester.rotation.get<RotationAnswer>(`/v1/rotations/${rotationId}`)).state === 'claimable');
    const { secret } = await requester.issuer.post<{ secret: string }>(`/v1/tokens/${rotated.tokenId}/claim`, { body: { rotationId } });
    await until('rotation to hear of it', async () => (await requester.rotation.get<RotationAnswer>(`/v1/rotations/${rotationId}`)).state === 'delivered');
    await verify(secret);
    await requester.rotation.post(`/v1/rotations/${rotationId}/force`, { body: { reason: 'enough' } });
    await until('the end of the old secret', async () => (await verify(rotated.secret)).code === 'REVOKED');
    return { tokenId: rotated.tokenId, secret };
  };
  const stop = async () => {
    for (const act of ['suspend', 'resume']) await requester.issuer.post(`/v1/tokens/${stopped.tokenId}/${act}`, { body: { reason: 'checking' } });
    await requester.issuer.post(`/v1/tokens/${ended.tokenId}/revoke`, { body: { reason: 'over' } });
    await requester.issuer.post('/v1/burn', { body: { token: burnt.secret } });
    await as('admin').monitor.post('/v1/honeytokens', { body: { tokenId: bait.tokenId } });
    await verify(bait.secret);
  };
  const review = async () => {
    const [cancelled, denied, agreed] = await Promise.all([held(), held(), held()]);
    await requester.request.delete(`/v1/requests/${cancelled}`);
    await vote(denied as string, 'reviewer', 'deny');
    for (const part of ['reviewer', 'reviewer2']) await vote(agreed as string, part, 'approve');
    await untilStatus(agreed as string, 'issued');
  };
  const [successor] = await Promise.all([rotate(), stop(), review(), upstream.submit(upstream.envelope(wish({ requester: { id: 'svc:nobody', team: 'nobody' } })))]);
  await until('every word', () => unheard().length === 0).catch(() => expect(unheard()).toEqual([]));
  return [rotated, successor, stopped, ended, bait, burnt];
}

/** What the issuer holds of tokens, and what it answers. */
const stateOf = (tokens: readonly { tokenId: string; secret: string }[]) => Promise.all(tokens.map(async ({ tokenId, secret }) => {
  const { state, scopes, expiresAt, owner } = await requester.issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
  return { tokenId, state, scopes, expiresAt, owner, code: (await verify(secret)).code };
}));
async function issued(): Promise<number> {
  const tokens = [];
  for await (const token of requester.issuer.pages('/v1/tokens', { owner: 'svc:e2e-robbed', limit: 100 })) tokens.push(token);
  return tokens.length;
}

/** The last of each type that the service said, and not about the victim: of it the truth would be said again. */
const lastOfEach = (service: ServiceName, victim: { tokenId: string; requestId: string }) =>
  [...new Map(eventsOf(service).filter(({ data }) => data.tokenId !== victim.tokenId && data.requestId !== victim.requestId).map((event) => [typeOf(event), event])).values()];
const newId = () => makeId('evt', Date.now(), randomBytes(10));
/** The same about another token and request, everywhere in it. */
function about(event: Said, tokenId: string, requestId: string): Said {
  let text = JSON.stringify({ ...event, id: newId() });
  if (event.data.tokenId) text = text.replaceAll(event.data.tokenId, tokenId);
  if (event.data.requestId) text = text.replaceAll(event.data.requestId, requestId);
  return JSON.parse(text) as Said;
}
/** One field of the data says something else; where there is none to spare, the subject does. */
function changed(event: Said): Said {
  const [name, value] = Object.entries(event.data).find(([, each]) => typeof each === 'string' && /^\d{4}-\d\d-\d\dT/.test(each)) ?? [];
  if (name === undefined) return { ...event, data: { ...event.data, addedByThief: true } };
  return { ...event, data: { ...event.data, [name]: new Date(Date.parse(value as string) - 1_000).toISOString() } };
}
const say = async (service: ServiceName, event: Said) => expect(await (thieves.get(service) as Thief).publishes(exchanges.events, typeOf(event), event)).toBe('done');

it('what any service said, said again by a thief, changes no token and makes none, and what is forged is alarmed (G1, G2, G4, G10)', async () => {
  const tokens = await live();
  const victims = new Map<ServiceName, { tokenId: string; secret: string; requestId: string }>();
  await Promise.all(services.map(async (service) => { victims.set(service, { ...await freshToken(robbed()), requestId: await held() }); }));
  const all = [...tokens, ...victims.values()];
  const [before, count] = [await stateOf(all), await issued()];
  const captured = [...heard];
  const alarming = new Map<string, string>();
  for (const service of services) {
    const victim = victims.get(service) as { tokenId: string; requestId: string };
    const { tokenId, requestId } = victim;
    const own = lastOfEach(service, victim);
    const thief = thieves.get(service) as Thief;
    for (const { key, body, contentType: type } of captured.filter(({ events }) => events[0]?.source.endsWith(`:${service}`)).reverse()) await thief.replays(exchanges.events, key, body, type);
    for (const event of own) {
      await say(service, changed(event));
      await say(service, { ...event, id: newId() });
      const forged = about(event, tokenId, requestId);
      await say(service, forged);
      // That a word about parking was parked is never announced: it would feed on itself.
      if (typeOf(event) !== 'message.parked') {
        alarming.set(event.id, `${typeOf(event)} changed`);
        if (signed.includes(typeOf(event))) alarming.set(forged.id, `${typeOf(event)} forged`);
      }
    }
  }
  const missing = async () => {
    const text = JSON.stringify([...await entriesOf({ type: 'audit.rejected' }), ...await entriesOf({ type: 'audit.conflict' })]);
    return [...alarming].filter(([id]) => !text.includes(id));
  };
  await until('every alarm', async () => (await missing()).length === 0).catch(async () => expect(await missing()).toEqual([]));
  await freshToken();
  expect(await stateOf(all)).toEqual(before);
  expect(await issued()).toBe(count);
}, 120_000);
