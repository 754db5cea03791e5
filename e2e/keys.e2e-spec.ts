import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { basic, serviceNames, type ServiceUrls } from '@writ/client';
import type { RequestAnswer, RotationAnswer, Verification } from '@writ/contracts';
import { as, entriesOf, need, processes, until, urls, wish } from './platform.js';

/** Our own keys change as docs/operations.md says, replica by replica, while everything goes on. */

const state = dirname(need('WRIT_PLATFORM_STATE'));
const folderOf = (service: string) => join(state, 'keys', service);
const trustFile = join(state, 'trust', 'keys.json');
const kid = `99990101-${randomBytes(4).toString('hex')}`; // The last by name.
const signers = ['request', 'policy', 'rotation', 'monitor'];
const kinds = ['pepper', 'mac'];

type Service = keyof ServiceUrls;
/** The replicas that a load balancer would send calls to. */
const upOf = Object.fromEntries(serviceNames.map((name) => [name, [name as string, `${name}-2`]])) as Record<Service, string[]>;
const underWay = new Map<string, number>();

/** One call, never repeated: any answer but yes fails the test. */
async function call<Answer>(replica: string, path: string, authorization: string, body?: object): Promise<Answer> {
  const url = processes().find(({ name }) => name === replica)?.url;
  const count = (by: 1 | -1) => underWay.set(replica, (underWay.get(replica) ?? 0) + by);
  count(1);
  try {
    const answer = await fetch(url + path, { headers: { 'content-type': 'application/json', authorization }, ...(body && { method: 'POST', body: JSON.stringify(body) }) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${replica} answered ${path} with ${answer.status}: ${text}`);
    return JSON.parse(text) as Answer;
  } finally {
    count(-1);
  }
}
let turn = 0;
/** A call to the next replica that takes calls. */
const to = <Answer>(service: Service, path: string, part: string, body?: object): Promise<Answer> =>
  call(upOf[service][turn++ % upOf[service].length] as string, path, `Bearer ${need(`WRIT_${part}_TOKEN`)}`, body);

const gateway = basic(need('WRIT_GATEWAY_CLIENT_ID'), need('WRIT_GATEWAY_CLIENT_SECRET'));
const secrets: string[] = [];
const counts = { verified: 0, issued: 0, reviewed: 0, rotated: 0 };

/** The newest secrets, at each replica that takes calls. */
async function verifyNewest(): Promise<void> {
  const shown = secrets.slice(-20);
  const answers = await Promise.all(upOf.issuer.flatMap((replica) => shown.map((token) => call<Verification>(replica, '/v1/tokens/verify', gateway, { token, audience: 'orders' }))));
  expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['VALID']));
  counts.verified += answers.length;
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const statusOf = (requestId: string) => to<RequestAnswer>('request', `/v1/requests/${requestId}`, 'REQUESTER');
const comesTo = (requestId: string, status: string) => until(`the request to be ${status}`, async () => {
  const answer = await statusOf(requestId);
  return answer.status === status && answer;
});
const ask = async (more = {}) => (await to<RequestAnswer>('request', '/v1/requests', 'REQUESTER', wish({ requester: { id: 'svc:e2e-keys', team: 'orders' }, ...more }))).requestId;

async function claim(tokenId: string, body = {}): Promise<string> {
  return (await to<{ secret: string }>('issuer', `/v1/tokens/${tokenId}/claim`, 'REQUESTER', body)).secret;
}

async function obtain(): Promise<void> {
  secrets.push(await claim((await comesTo(await ask(), 'issued')).tokenId as string));
  counts.issued += 1;
}

async function beReviewed(): Promise<void> {
  const requestId = await ask({ scopes: ['orders:write'], environment: 'prod' });
  await comesTo(requestId, 'held');
  for (const part of ['REVIEWER', 'REVIEWER2']) await to('policy', `/v1/reviews/${requestId}/votes`, part, { vote: 'approve', reason: 'known job' });
  secrets.push(await claim((await comesTo(requestId, 'issued')).tokenId as string));
  counts.reviewed += 1;
}

async function rotate(): Promise<void> {
  const { tokenId } = await comesTo(await ask(), 'issued');
  await claim(tokenId as string);
  const { rotationId } = await to<RotationAnswer>('rotation', `/v1/tokens/${tokenId}/rotate`, 'REQUESTER', {});
  await until('the successor', async () => (await to<RotationAnswer>('rotation', `/v1/rotations/${rotationId}`, 'REQUESTER')).state === 'claimable');
  secrets.push(await claim(tokenId as string, { rotationId }));
  counts.rotated += 1;
}

/** Ends the replica of each service as an operator would, when no more calls go to it, and waits until all are back. */
async function restart(services: readonly Service[], number: '' | '-2'): Promise<void> {
  await Promise.all(services.map(async (service) => {
    const replica = service + number;
    const pidOf = () => processes().find(({ name }) => name === replica)?.pid;
    const before = pidOf() as number;
    upOf[service] = upOf[service].filter((name) => name !== replica);
    await until('its calls to be answered', () => (underWay.get(replica) ?? 0) === 0);
    process.kill(before, 'SIGTERM');
    await until(`${replica} to be back`, async () => {
      const now = pidOf();
      return now !== undefined && now !== before && (await fetch(`${processes().find(({ name }) => name === replica)?.url}/health/ready`).then(({ ok }) => ok, () => false));
    }, 60_000);
    upOf[service].push(replica);
  }));
}
/** Leaves replicas that know different keys at work for a while. */
async function goOn(): Promise<void> {
  const before = { ...counts };
  await until('work between two restarts', () => counts.issued > before.issued + 3 && counts.reviewed > before.reviewed && counts.rotated > before.rotated);
}

/** What docs/operations.md says, in its order. */
async function rotateKeys(): Promise<void> {
  const fileOf = (kind: string, next = '') => join(folderOf('issuer'), `${kind}.${kid}${next}.key`);
  const privately = { mode: 0o600 };
  for (const kind of kinds) writeFileSync(fileOf(kind, '.next'), randomBytes(32).toString('base64'), privately);
  const pairs = signers.map((service) => ({ service, ...generateKeyPairSync('ed25519') }));
  const { keys } = JSON.parse(readFileSync(trustFile, 'utf8')) as { keys: { service: string }[] };
  const added = pairs.map(({ service, publicKey }) => ({ ...keys.find((key) => key.service === service), kid: `${service}-${kid}`, publicKey: publicKey.export({ type: 'spki', format: 'pem' }) }));
  writeFileSync(trustFile, JSON.stringify({ keys: [...keys, ...added] }));
  for (const number of ['', '-2'] as const) {
    await restart(['issuer', 'policy', 'monitor'], number);
    await goOn();
  }
  for (const kind of kinds) renameSync(fileOf(kind, '.next'), fileOf(kind));
  for (const { service, privateKey } of pairs) writeFileSync(join(folderOf(service), `signing.${service}-${kid}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }), privately);
  // The others know the new keys and use the old ones until they are restarted too: nothing waits for that.
  await restart(['issuer', 'policy', 'monitor', 'request', 'rotation'], '');
  await goOn();
}

/** The monitor's word on a bait that was used, signed. */
async function springBait(): Promise<void> {
  const { tokenId } = await comesTo(await ask(), 'issued');
  const token = await claim(tokenId as string);
  await as('admin').monitor.post('/v1/honeytokens', { body: { tokenId } });
  const said = async () => (await entriesOf({ type: 'misuse.detected' })).length;
  const before = await said();
  await call('issuer', '/v1/tokens/verify', gateway, { token, audience: 'orders' });
  await until('the alarm', async () => (await said()) > before);
}

/** What the services set aside so far: waiting to be tried again, and parked. */
async function setAside(): Promise<number> {
  const texts = await Promise.all(serviceNames.map(async (name) => (await fetch(`${urls[name]}/metrics`)).text()));
  return [...texts.join('\n').matchAll(/^writ_(?:inbox_waiting|parked)\{[^}]*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}
const alarms = async () => (await entriesOf({ type: 'message.parked' })).length + (await entriesOf({ type: 'audit.rejected' })).length;

it('pepper, MAC key and every service’s signing key rotate under load without a failed call or a refused event (G7, G9)', async () => {
  const before = { setAside: await setAside(), alarms: await alarms() };
  await obtain();
  let goesOn = true;
  const load = Promise.all([verifyNewest, obtain, beReviewed, rotate].map(async (work) => {
    while (goesOn) await work();
  })).finally(() => { goesOn = false; });
  const rotation = rotateKeys().finally(() => { goesOn = false; });
  await Promise.all([load, rotation]);
  await Promise.all([springBait(), beReviewed(), rotate()]);
  await obtain(); // What was said before has been heard by now.
  expect(Object.values(counts).every((count) => count > 2)).toBe(true);
  expect(await setAside()).toBeLessThanOrEqual(before.setAside);
  expect(await alarms()).toBe(before.alarms);
}, 120_000);
