import { randomBytes } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import pg from 'pg';

/** What others do to check a key, each as its documentation has it, behind a bare server that costs next to nothing. */
const [kind = '', redisUrl = '', postgresUrl = ''] = process.argv.slice(2);
const keyCount = 200;
const redis = new Redis(redisUrl, { enableAutoPipelining: true, keyPrefix: `peer:${process.pid}:` });
const client = { id: 'bench', secret: randomBytes(32).toString('base64url') };

interface Peer {
  keys: string[];
  listener: RequestListener;
}
/** `undefined` where the key is not good. */
type Check = (key: string) => Promise<object | undefined>;

const lived = async (key: string, value: string, seconds = 3_600) => { await redis.set(key, value, 'EX', seconds); };

function answering(check: Check): RequestListener {
  return (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => { body += chunk.toString(); });
    request.on('end', () => {
      check((JSON.parse(body) as { key: string }).key).then((facts) => {
        const text = JSON.stringify({ active: facts !== undefined, ...facts });
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
      }, (error: Error) => response.writeHead(500).end(error.message));
    });
  };
}

interface BetterAuth {
  api: {
    signUpEmail(asked: object): Promise<{ user: { id: string } }>;
    createApiKey(asked: object): Promise<{ key: string }>;
    verifyApiKey(asked: object): Promise<{ valid: boolean; key: { referenceId: string } }>;
  };
}

/** `verifyApiKey` of better-auth, its keys in Redis or in PostgreSQL, without its rate limit. */
async function betterAuth(storage: 'secondary-storage' | 'database'): Promise<Peer> {
  // Named at run time: its types would take longer to check than all of ours.
  const load = (name: string) => import(name) as Promise<Record<string, (options: object) => unknown>>;
  const [{ betterAuth: make }, { apiKey }, { getMigrations }] = await Promise.all([load('better-auth'), load('@better-auth/api-key'), load('better-auth/db/migration')]);
  const inRedis = { get: (key: string) => redis.get(key), set: (key: string, value: string, ttl?: number) => lived(key, value, ttl), delete: async (key: string) => { await redis.del(key); } };
  const options = {
    database: new pg.Pool({ connectionString: postgresUrl, max: 10 }), secret: client.secret, baseURL: 'http://127.0.0.1', logger: { disabled: true }, telemetry: { enabled: false }, emailAndPassword: { enabled: true },
    ...(storage === 'database' ? {} : { secondaryStorage: inRedis }), plugins: [apiKey?.({ rateLimit: { enabled: false }, storage })],
  };
  const { runMigrations } = (await getMigrations?.(options)) as { runMigrations(): Promise<void> };
  await runMigrations();
  const { api } = make?.(options) as BetterAuth;
  const { user } = await api.signUpEmail({ body: { name: 'bench', email: `${kind}@example.com`, password: client.secret } });
  const keys: string[] = [];
  for (let i = 0; i < keyCount; i++) keys.push((await api.createApiKey({ body: { userId: user.id, name: `key ${i}` } })).key);
  return { keys, listener: answering(async (key) => {
    const { valid, key: found } = await api.verifyApiKey({ body: { key } });
    return valid ? { sub: found.referenceId } : undefined;
  }) };
}

/** `authenticate` of node-oauth2-server with a model that reads Redis once. */
async function oauth2Server(): Promise<Peer> {
  const { default: OAuth2Server, Request, Response } = (await import('@node-oauth/oauth2-server')) as unknown as {
    default: new (options: object) => { authenticate(request: object, response: object): Promise<{ user: { id: string } }> };
    Request: new (facts: object) => object;
    Response: new () => object;
  };
  const getAccessToken = async (token: string) => {
    const found = JSON.parse((await redis.get(token)) ?? 'null') as { accessTokenExpiresAt: string } | null;
    return found && { ...found, accessTokenExpiresAt: new Date(found.accessTokenExpiresAt) };
  };
  const server = new OAuth2Server({ model: { getAccessToken, verifyScope: async () => true } });
  const keys = Array.from({ length: keyCount }, () => randomBytes(32).toString('base64url'));
  for (const key of keys) {
    await lived(key, JSON.stringify({ accessToken: key, accessTokenExpiresAt: new Date(Date.now() + 3_600_000), scope: ['orders:read'], client: { id: client.id, grants: [] }, user: { id: 'alice' } }));
  }
  return { keys, listener: answering(async (key) => {
    const { user } = await server.authenticate(new Request({ headers: { authorization: `Bearer ${key}` }, method: 'GET', query: {} }), new Response());
    return { sub: user.id };
  }) };
}

/** Introspection of oidc-provider with its tokens in Redis: opaque tokens of the client credentials grant. */
async function oidcProvider(): Promise<Peer> {
  const { default: Provider } = await import('oidc-provider');
  class InRedis {
    constructor(private readonly model: string) {}
    private name(id: string): string { return `${this.model}:${id}`; }
    async upsert(id: string, payload: object, expiresIn?: number): Promise<undefined> {
      await lived(this.name(id), JSON.stringify(payload), expiresIn);
      return undefined;
    }
    async find(id: string): Promise<object | undefined> { return JSON.parse((await redis.get(this.name(id))) ?? 'null') as object ?? undefined; }
    findByUid = async () => undefined;
    findByUserCode = async () => undefined;
    async destroy(id: string): Promise<undefined> { await redis.del(this.name(id)); return undefined; }
    consume = async () => undefined;
    revokeByGrantId = async () => undefined;
  }
  const provider = new Provider('http://127.0.0.1', {
    adapter: InRedis, features: { introspection: { enabled: true }, clientCredentials: { enabled: true }, devInteractions: { enabled: false } }, scopes: ['orders:read'], ttl: { ClientCredentials: 3_600 },
    clients: [{ client_id: client.id, client_secret: client.secret, grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'orders:read' }],
  } as object);
  const listener = provider.callback() as RequestListener;
  const port = await listen(listener);
  const headers = { authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`, 'content-type': 'application/x-www-form-urlencoded' };
  const keys: string[] = [];
  for (let i = 0; i < keyCount; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/token`, { method: 'POST', headers, body: 'grant_type=client_credentials&scope=orders%3Aread' });
    keys.push(((await answer.json()) as { access_token: string }).access_token);
  }
  return { keys, listener };
}

function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  server.keepAliveTimeout = 60_000;
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

const makers: Record<string, () => Promise<Peer>> = {
  'better-auth-redis': () => betterAuth('secondary-storage'), 'better-auth-postgres': () => betterAuth('database'), 'oauth2-server': oauth2Server, 'oidc-provider': oidcProvider,
};
const { keys, listener } = await (makers[kind] as () => Promise<Peer>)();
process.send?.({ port: await listen(listener), keys, basic: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` });
