import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Controller, Get, HttpException, Module, Req, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { fastify } from 'fastify';
import { expressMiddleware, fastifyHook, nestGuard, refusalFor, tokenOf, verifyCodes, type RequestLike, type VerifyAnswer, type VerifyOptions } from '../src/index.js';

const seen: { token: string; options: VerifyOptions }[] = [];
/** Answers with the code that stands in the token: what a middleware does with answers is all that is judged here. */
const gateway = {
  verify: (token: string, options: VerifyOptions = {}): Promise<VerifyAnswer> => {
    seen.push({ token, options });
    const code = (token || 'MALFORMED') as VerifyAnswer['code'];
    return Promise.resolve({ valid: code === 'VALID', code, asOf: '2026-01-01T00:00:00.000Z', seq: 1, maxStalenessMs: 0, tokenId: 'tok_1', owner: 'svc:billing' });
  },
};

@Controller()
class Orders {
  @Get('/orders')
  @UseGuards(nestGuard(gateway, { scopes: ['orders:read'], exception: HttpException }))
  orders(@Req() request: unknown): unknown {
    return { owner: (request as RequestLike).writ?.owner };
  }
}

@Controller()
class Plain {
  @Get('/plain')
  @UseGuards(nestGuard(gateway))
  plain(): string {
    return 'passed';
  }
}

@Module({ controllers: [Orders, Plain] })
class OrdersModule {}

interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

const servers: Record<string, () => Promise<{ readonly url: string; readonly close: () => Promise<unknown> }>> = {
  'Node\'s own request and response, which Express hands on': async () => {
    const middleware = expressMiddleware(gateway, { scopes: ['orders:read'] });
    const server = createServer((request, response) => middleware(request, response, () => response.end(JSON.stringify({ owner: (request as RequestLike).writ?.owner }))));
    await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
    return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); }) };
  },
  Fastify: async () => {
    const app = fastify();
    app.addHook('onRequest', fastifyHook(gateway, { scopes: ['orders:read'] }));
    app.get('/orders', (request) => ({ owner: (request as RequestLike).writ?.owner }));
    return { url: await app.listen({ port: 0, host: '127.0.0.1' }), close: () => app.close() };
  },
  Nest: async () => {
    const app = await NestFactory.create<NestFastifyApplication>(OrdersModule, new FastifyAdapter(), { logger: false });
    await app.listen(0, '127.0.0.1');
    return { url: await app.getUrl(), close: () => app.close() };
  },
};

describe.each(Object.keys(servers))('middleware for %s', (name) => {
  let url: string;
  let close: () => Promise<unknown>;

  beforeAll(async () => {
    ({ url, close } = await servers[name]!());
  });

  afterAll(() => close());

  async function get(headers: Record<string, string>): Promise<Seen> {
    const response = await fetch(`${url}/orders`, { headers, signal: AbortSignal.timeout(5000) });
    return { status: response.status, headers: response.headers, body: await response.text() };
  }

  it('lets a valid token through and says whose it is', async () => {
    const { status, body } = await get({ authorization: 'Bearer VALID', 'user-agent': 'test/1' });
    expect([status, JSON.parse(body)]).toEqual([200, { owner: 'svc:billing' }]);
    expect(seen.at(-1)).toMatchObject({ token: 'VALID', options: { scopes: ['orders:read'], address: '127.0.0.1', agent: 'test/1' } });
  });

  it('refuses every bad token alike: the same status, headers and body', async () => {
    const bad = ['NOT_FOUND', 'MALFORMED', 'EXPIRED', 'SUSPENDED', 'REVOKED', 'WRONG_AUDIENCE', 'WRONG_NETWORK', 'FROM_THE_FUTURE'];
    const answers = await Promise.all([...bad.map((code) => get({ authorization: `Bearer ${code}` })), get({}), get({ authorization: 'Basic VALID' })]);
    const shapes = answers.map(({ status, headers, body }) => JSON.stringify([status, headers.get('www-authenticate'), headers.get('cache-control'), headers.get('content-length'), body]));
    expect(new Set(shapes).size).toBe(1);
    expect(answers[0]).toMatchObject({ status: 401, body: JSON.stringify({ type: 'about:blank', title: 'Unauthorized', status: 401, code: 'unauthorized' }) });
    expect(answers[0]!.headers.get('www-authenticate')).toBe('Bearer');
  });

  it('refuses two tokens: whoever stands behind might read the other one (G10)', async () => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    socket.end('GET /orders HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer VALID\r\nAuthorization: Bearer REVOKED\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 401 /);
  });

  it.each([['INSUFFICIENT_SCOPE', 403], ['RATE_LIMITED', 429], ['UNAVAILABLE', 503], ['STALE', 503]])('"a rate limit is reported as 401" (inbound PR 158): ours answers %s with %d, never with 401', async (code, expected) => {
    const { status, headers } = await get({ authorization: `Bearer ${code}` });
    expect(status).toBe(expected);
    if (expected !== 403) expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  });
});

it('the Nest guard that was given no exception of Nest refuses with the same status and headers, and names no code', async () => {
  const { url, close } = await servers['Nest']!();
  for (const [code, status] of [['VALID', 200], ['REVOKED', 401], ['INSUFFICIENT_SCOPE', 403], ['RATE_LIMITED', 429], ['UNAVAILABLE', 503]] as const) {
    const answer = await fetch(`${url}/plain`, { headers: { authorization: `Bearer ${code}` } });
    const body = await answer.text();
    expect([code, answer.status, answer.headers.has('www-authenticate'), answer.headers.has('retry-after')]).toEqual([code, status, status === 401 || status === 403, status > 403]);
    expect(body === 'passed' || Object.keys(JSON.parse(body) as object).join() === 'statusCode,message').toBe(true);
    if (status !== 200) expect(body).not.toContain(code);
  }
  await close();
});

describe('tokenOf', () => {
  it.each([
    [{ authorization: 'Bearer abc' }, 'abc'], [{ authorization: 'bearer   abc ' }, 'abc'], [{ authorization: 'Bearer abc, Bearer def' }, ''], [{ authorization: 'Bearer abc def' }, ''],
    [{ authorization: 'Basic abc' }, ''], [{ authorization: 'Bearer' }, ''], [{}, ''],
  ])('takes from %j exactly one token or none', (headers, token) => {
    expect(tokenOf({ headers })).toBe(token);
  });

  it('takes it from another header when told so', () => {
    expect(tokenOf({ headers: { 'x-api-key': 'abc', authorization: 'Bearer def' } }, 'X-Api-Key')).toBe('abc');
  });
});

describe('refusalFor', () => {
  it('never names a code to the end client', () => {
    for (const code of verifyCodes) if (code !== 'VALID') expect(JSON.stringify(refusalFor({ code }))).not.toContain(code);
  });
});
