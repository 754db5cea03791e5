import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { serviceNames } from '@writ/client';
import type { RequestAnswer } from '@writ/contracts';
import { as, freshToken, gateway, need, until, Upstream, urls, verify, wish } from '../platform.js';
import { ask, callers, documentedRoutes } from './callers.js';

/** What never belongs into an answer: names and words of the inside. */
const inside = /\bat \S+ \(|node_modules|\/src\/|\/dist\/|SELECT |INSERT |syntax error|QueryFailed|relation "|column "|postgres:|amqp:|ECONNREFUSED/;
const injections = [
  `' OR '1'='1`, `'; DROP TABLE request; --`, `") OR 1=1 --`, `$1`, `\\'; SELECT pg_sleep(5); --`, '${7*7}', '{{7*7}}', '<script>alert(1)</script>', '../../../../etc/passwd',
  '%00', '\u0000', '\r\nSet-Cookie: a=b', '__proto__', 'constructor', '{"$gt":""}', '*', '%', '_'.repeat(300), '\u202Eevil', '𝕏'.repeat(100), '-1', '1e309', 'NaN', 'permit(principal,action,resource);',
];
const isCalm = ({ status, text }: { status: number; text: string }) => status < 500 && !inside.test(text);

let credentials: Awaited<ReturnType<typeof callers>>;
beforeAll(async () => {
  credentials = await callers();
});

afterAll(async () => {
  for (const service of serviceNames) expect([service, (await ask(`${urls[service]}/health/ready`)).status]).toEqual([service, 200]);
});

describe('text that means something elsewhere means nothing here', () => {
  const filters = {
    request: ['/v1/requests?status=X', '/v1/requests?cursor=X', '/v1/requests?limit=X', '/v1/requests/X'],
    policy: ['/v1/reviews?status=X', '/v1/reviews?cursor=X', '/v1/reviews/X', '/v1/decisions/X', '/v1/policy-sets/X', '/v1/policy-sets?cursor=X', '/v1/simulations/X'],
    issuer: ['owner', 'team', 'audience', 'scope', 'state', 'environment', 'expiringBefore', 'unusedSince', 'cursor', 'limit'].map((name) => `/v1/tokens?${name}=X`).concat('/v1/tokens/X', '/v1/tokens/X/timeline'),
    rotation: ['/v1/forecast?bucket=X', '/v1/forecast?count=X', '/v1/rotations/X', '/v1/tokens/X/rotations'],
    audit: ['token', 'actor', 'type', 'from', 'to', 'event', 'request', 'cursor', 'limit'].map((name) => `/v1/entries?${name}=X`).concat('/v1/entries/X/proof', '/v1/tokens/X/proof-bundle', '/tile/X', '/tile/entries/X'),
    monitor: ['token', 'state', 'action', 'cursor', 'limit'].map((name) => `/v1/alerts?${name}=X`).concat('/v1/usage/X', '/v1/usage/tok_00000000000000000000000000?span=X'),
  };

  it.each(serviceNames)('in every query and path of %s', async (service) => {
    const authorization = credentials[service === 'audit' ? 'auditor' : 'admin'];
    const wrong: unknown[] = [];
    for (const filter of filters[service]) {
      for (const text of injections) {
        const answer = await ask(`${urls[service]}${filter.replace(/X/, () => encodeURIComponent(text))}`, { authorization });
        if (!isCalm(answer) || answer.headers.has('set-cookie')) wrong.push([filter, text, answer.status, answer.text.slice(0, 200)]);
      }
      const twice = await ask(`${urls[service]}${filter.replace(/\?(\w+)=X/, '?$1=a&$1=b').replace('X', 'a')}`, { authorization });
      if (!isCalm(twice)) wrong.push([filter, 'twice', twice.status, twice.text.slice(0, 200)]);
    }
    expect(wrong).toEqual([]);
  }, 120_000);

  it('in every field of a request, which keeps the text as it came or refuses it', async () => {
    const put: Record<string, (text: string) => Record<string, unknown>> = {
      reason: (text) => wish({ reason: text }), resource: (text) => wish({ resource: text }), scope: (text) => wish({ scopes: [text] }), environment: (text) => wish({ environment: text }),
      ttl: (text) => wish({ ttl: text }), requester: (text) => wish({ requester: { id: text, team: 'orders' } }), team: (text) => wish({ requester: { id: 'svc:e2e', team: text } }), key: (text) => wish({ delivery: { mode: 'sealed', keyId: text } }),
    };
    for (const [field, make] of Object.entries(put)) {
      for (const text of injections) {
        const answer = await ask(`${urls.request}/v1/requests`, { method: 'POST', authorization: credentials.owner, body: make(text) });
        expect({ field, text, calm: isCalm(answer) }).toEqual({ field, text, calm: true });
        if (field !== 'reason' || answer.status !== 202) continue;
        const kept = await as('requester').request.get<{ reason?: string }>(`/v1/requests/${(JSON.parse(answer.text) as RequestAnswer).requestId}`);
        expect(JSON.stringify(kept)).toContain(JSON.stringify(text).slice(1, -1));
      }
    }
  }, 120_000);
});

it('the page that checks the log may run its own script and talk to its own host, and nothing else', async () => {
  const { status, headers } = await ask(`${urls.audit}/verify.html`);
  expect(status).toBe(200);
  expect(headers.get('content-security-policy')).toMatch(/^default-src 'none'; script-src 'sha256-[^ ]+'; style-src 'sha256-[^ ]+'; connect-src 'self'; .*frame-ancestors 'none'$/);
});

describe('a token that is unknown, foreign or junk', () => {
  it('is told apart by nobody whom it does not concern', async () => {
    const { secret } = await freshToken();
    const billing = await as('admin').issuer.post<{ clientId: string; clientSecret: string }>('/v1/gateways', { body: { name: `billing-${Date.now()}`, audiences: ['billing'] } });
    const authorization = `Basic ${Buffer.from(`${billing.clientId}:${billing.clientSecret}`).toString('base64')}`;
    const { secret: dead, tokenId } = await freshToken();
    await as('requester').issuer.post(`/v1/tokens/${tokenId}/revoke`, { body: { reason: 'over' }, query: { wait: 'fleet' } });
    const unknown = dead.slice(0, 9) + secret.slice(9, -6) + dead.slice(-6);
    for (const path of ['/oauth2/introspect', '/oauth2/revoke']) {
      const answers = await Promise.all([secret, dead, unknown, 'junk'].map((token) => ask(`${urls.issuer}${path}`, { method: 'POST', authorization, headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `token=${token}` })));
      expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    }
    const facts = await Promise.all([secret, dead].map(async (token) => {
      const { asOf, seq, maxStalenessMs, ...rest } = JSON.parse((await ask(`${urls.issuer}/v1/tokens/verify`, { method: 'POST', authorization, body: { token } })).text) as Record<string, unknown>;
      expect([asOf, seq, maxStalenessMs]).not.toContain(undefined);
      return rest;
    }));
    expect(facts).toEqual([{ valid: false, code: 'NOT_FOUND' }, { valid: false, code: 'NOT_FOUND' }]);
    expect((await verify(secret)).code).toBe('VALID');
    const burns = await Promise.all([unknown, 'junk'].map((token) => ask(`${urls.issuer}/v1/burn`, { method: 'POST', body: { token } })));
    expect(burns.map(({ status, text }) => [status, text])).toEqual([[204, ''], [204, '']]);
  });
});

describe('whatever bytes come, the answer is a problem and no accident', () => {
  const odd = fc.oneof(fc.string({ unit: 'binary' }), fc.json(), fc.uint8Array({ maxLength: 500 }).map((bytes) => Buffer.from(bytes).toString('latin1')), fc.object({ maxDepth: 4 }).map((value) => JSON.stringify(value)));

  it.each(serviceNames)('on every writing route of %s', async (service) => {
    const routes = (await documentedRoutes(service)).filter((route) => route.startsWith('POST ')).map((route) => route.slice(5).replaceAll(/\{\w+\}/g, 'tok_00000000000000000000000000'));
    const types = ['application/json', 'application/x-www-form-urlencoded', 'text/plain', 'application/json; charset=utf-16', ''];
    for (const route of routes) {
      const authorization = /verify|oauth2|fleet|usage/.test(route) ? credentials.gateway : credentials.admin;
      await fc.assert(fc.asyncProperty(odd, fc.constantFrom(...types), async (body, type) => {
        const answer = await ask(`${urls[service]}${route}`, { method: 'POST', authorization, headers: { 'content-type': type }, body });
        expect({ route, status: answer.status, calm: isCalm(answer) }).toEqual({ route, status: answer.status, calm: true });
      }), { numRuns: 15 });
    }
  }, 120_000);

  it('in every Authorization header', async () => {
    await fc.assert(fc.asyncProperty(fc.constantFrom('Bearer', 'Basic', 'bearer', 'Digest', ''), fc.string({ maxLength: 300 }), async (scheme, text) => {
      const authorization = `${scheme} ${encodeURI(text.replaceAll(/[\ud800-\udfff]/g, ''))}`;
      for (const url of [`${urls.issuer}/v1/tokens`, `${urls.issuer}/v1/fleet/lease`, `${urls.issuer}/v1/tokens/verify`]) {
        const answer = await ask(url, { method: url.endsWith('tokens') ? 'GET' : 'POST', authorization, ...(url.endsWith('tokens') ? {} : { body: {} }) });
        expect(answer.status).toBe(401);
      }
    }), { numRuns: 60 });
  });
});

describe('whoever takes more than their share', () => {
  const bearer = `Bearer ${need('WRIT_REQUESTER_TOKEN')}`;
  const post = (body: string, headers: Record<string, string> = {}) => ask(`${urls.request}/v1/requests`, { method: 'POST', authorization: bearer, headers, body });

  it('of headers is refused', async () => {
    const answer = await ask(`${urls.issuer}/v1/tokens`, { headers: { 'x-large': 'x'.repeat(64_000) } }).catch(() => ({ status: 431 }));
    expect(answer.status).toBe(431);
  });

  it('of what is packed is refused unread: no bomb is unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000, '{"a":'));
    for (const [url, authorization] of [[`${urls.request}/v1/requests`, bearer], [`${urls.issuer}/v1/tokens/verify`, credentials.gateway], [`${urls.monitor}/v1/leaks`, bearer]] as const) {
      const answer = await fetch(url, { method: 'POST', headers: { authorization, 'content-type': 'application/json', 'content-encoding': 'gzip' }, body: bomb, signal: AbortSignal.timeout(10_000) });
      expect([400, 404, 413, 415]).toContain(answer.status);
    }
  });

  it('of connections, of which nothing comes, leaves the doors open to others', async () => {
    const { hostname: host, port } = new URL(urls.issuer);
    const sockets = await Promise.all(Array.from({ length: 400 }, () => new Promise<Socket>((resolve, reject) => {
      const socket = connect({ host, port: Number(port) }, () => resolve(socket));
      socket.once('error', reject);
    })));
    expect((await ask(`${urls.issuer}/health/ready`)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  it('of messages over the bus hears of each, and others go on meanwhile', async () => {
    const upstream = await Upstream.connect();
    const flood = Array.from({ length: 1_000 }, (_, i) => upstream.envelope({ junk: i }));
    const published = Promise.all(flood.map((body) => upstream.submit(body)));
    await freshToken();
    await published;
    const ids = new Set(flood.map(({ id }) => id));
    await until('a word about each', () => upstream.ofType('request.refused').filter(({ data }) => ids.has(data.submissionId)).length === flood.length);
    await upstream.close();
  }, 60_000);

  it('of headers over the bus harms nobody: the next request goes on', async () => {
    const upstream = await Upstream.connect();
    const headers = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`x-${i}`, 'x'.repeat(100)]));
    const [crowded, next] = [upstream.envelope(wish()), upstream.envelope(wish())];
    upstream.channel.publish('writ.requests', 'token.request', Buffer.from(JSON.stringify(crowded)), { userId: upstream.name, contentType: 'application/cloudevents+json', headers });
    await upstream.submit(next);
    for (const { id } of [crowded, next]) await upstream.outcome('token.issued', (data) => data.submissionId === id);
    await upstream.close();
  });

  it('of depth or of body is refused, and quickly', async () => {
    const began = performance.now();
    expect((await post(`{"requester":${'['.repeat(30_000)}${']'.repeat(30_000)}}`)).status).toBe(400);
    expect((await post(`{"requester":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`)).status).toBe(400);
    for (const service of serviceNames.filter((name) => name !== 'policy')) {
      const [route] = (await documentedRoutes(service)).filter((each) => each.startsWith('POST '));
      const answer = await ask(`${urls[service]}${route?.slice(5).replaceAll(/\{\w+\}/g, 'x')}`, { method: 'POST', authorization: credentials.admin, body: JSON.stringify({ a: 'x'.repeat(2_000_000) }) }).catch(() => ({ status: 413 }));
      expect([413, 401]).toContain(answer.status);
    }
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('of depth over the bus is told so, and the next request goes on', async () => {
    const upstream = await Upstream.connect();
    const envelope = JSON.stringify(upstream.envelope(wish({ reason: 'REPLACE' })));
    await upstream.submit(envelope.replace('"REPLACE"', '['.repeat(20_000) + ']'.repeat(20_000)));
    await upstream.outcome('request.refused', (data) => data.code === 'malformed-envelope');
    const next = upstream.envelope(wish());
    await upstream.submit(next);
    await upstream.outcome('token.issued', (data) => data.submissionId === next.id);
    await upstream.close();
  });

  it('of time is cut off: a body that never ends or drips, and headers that drip', async () => {
    const doors = [urls.request, need('WRIT_CONSOLE_URL')];
    const open = (door: string, then: () => void) => {
      const { protocol, hostname: host, port } = new URL(door);
      return protocol === 'https:' ? connectTls({ host, port: Number(port) }, then) : connect({ host, port: Number(port) }, then);
    };
    const sockets = await Promise.all(doors.flatMap((door) => Array.from({ length: 50 }, (_, i) => new Promise<Socket>((resolve, reject) => {
      const socket: Socket = open(door, () => {
        if (i % 3 === 0) socket.write('POST /v1/requests HTTP/1.1\r\nx-drip: ');
        else socket.write(`POST /v1/requests HTTP/1.1\r\nhost: x\r\nauthorization: ${bearer}\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n{"a":`);
        if (i % 3 < 2) {
          const drip = setInterval(() => socket.write('x'), 1_000);
          socket.once('close', () => clearInterval(drip));
        }
        resolve(socket);
      });
      socket.once('error', reject);
    }))));
    const closed = sockets.map((socket) => new Promise<number>((resolve) => {
      const began = performance.now();
      socket.resume().once('close', () => resolve(performance.now() - began));
    }));
    for (const door of doors) expect((await ask(`${door}/health/ready`)).status).toBe(200);
    expect(Math.max(...await Promise.all(closed))).toBeLessThan(45_000);
  }, 60_000);

  it('of Idempotency-Keys gets answers all the same, and a key that is none is refused', async () => {
    const keys = Array.from({ length: 200 }, () => randomUUID());
    const answers = await Promise.all(keys.map((key) => post('{}', { 'idempotency-key': key })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]));
    for (const key of ['', ' ', 'x'.repeat(300)]) expect((await post('{}', { 'idempotency-key': key })).status).toBe(400);
  });

  it('of burns is told to wait', async () => {
    const statuses = await Promise.all(Array.from({ length: 120 }, (_, i) => ask(`${urls.issuer}/v1/burn`, { method: 'POST', headers: { 'x-forwarded-for': `192.0.2.${i}` }, body: { token: 'junk' } })));
    expect(statuses.some(({ status, headers }) => status === 429 && headers.has('retry-after'))).toBe(true);
  });

  it('of a batch is refused', async () => {
    const tokens = Array.from({ length: 1_001 }, () => ({ digest: 'x'.repeat(43) }));
    await expect(gateway().issuer.post('/v1/tokens/verify-batch', { body: { tokens } })).rejects.toMatchObject({ status: 400 });
  });
});
