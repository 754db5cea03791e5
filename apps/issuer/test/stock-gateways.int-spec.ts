import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { Service } from '@writ/service';
import { until } from '@writ/testing';
import { Issuing } from './issuing.js';

/** The foreign servers themselves, with the very snippets that the documentation gives, in front of a service. */
const script = (name: string, ...argv: string[]) => execFileSync(process.execPath, [fileURLToPath(new URL(`../../../scripts/${name}.mjs`, import.meta.url)), ...argv], { encoding: 'utf8', timeout: 400_000 });
const page = readFileSync(new URL('../../../docs/gateways.md', import.meta.url), 'utf8');
const programs = JSON.parse(script('backing/stock-gateways')) as Record<Name, string | null>;

type Name = 'nginx' | 'caddy' | 'apache';
const names: Name[] = ['nginx', 'caddy', 'apache'];
const languages = { nginx: 'nginx', caddy: 'caddyfile', apache: 'apache' };

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;
let behind: Server;
let seen: IncomingHttpHeaders | undefined;
let dir: string;
const started: ChildProcess[] = [];
const usual = getCACertificates('default');
const ports = new Map<Name, number>();

const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port;
const listening = (server: Server | ReturnType<typeof createTcpServer>) => new Promise<number>((resolve) => {
  server.listen(0, '127.0.0.1', () => resolve(portOf(server)));
});

async function freePort(): Promise<number> {
  const server = createTcpServer();
  const port = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The page's snippet with the addresses and credentials of this test. */
function snippet(name: Name): string {
  const found = new RegExp(`^\`\`\`${languages[name]}\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1];
  if (!found) throw new Error(`docs/gateways.md has no snippet for ${name}.`);
  const basic = (gateway.authorization as string).slice('Basic '.length);
  const [clientId, secret] = Buffer.from(basic, 'base64').toString().split(':') as [string, string];
  return found
    .replaceAll('https://issuer.example', issuer.url.replace('127.0.0.1', 'localhost')).replaceAll('/etc/ssl/certs/ca-certificates.crt', join(dir, 'ca.pem')).replaceAll('http://orders.internal', `http://127.0.0.1:${portOf(behind)}`)
    .replaceAll('b3JkZXJzLWFwaTpzZWNyZXQ=', basic).replace('ClientID orders-api', `ClientID ${clientId}`).replace('ClientSecret secret', `ClientSecret ${secret}`);
}

function configOf(name: Name, port: number): string {
  const inside = snippet(name);
  if (name === 'nginx') {
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${dir}/${kind};`).join('\n');
    return `daemon off; master_process off; pid ${dir}/nginx.pid; error_log ${dir}/nginx.log;\nevents {}\nhttp { access_log off; ${paths}\nserver { listen 127.0.0.1:${port};\n${inside}\n} }\n`;
  }
  if (name === 'caddy') return `{\nadmin off\nauto_https off\n}\nhttp://127.0.0.1:${port} {\nroute {\n${inside}\n}\n}\n`;
  const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'headers', 'proxy', 'proxy_http', 'auth_openidc'].map((module) => `LoadModule ${module}_module /usr/lib/apache2/modules/mod_${module}.so`);
  return [...modules, `ServerRoot ${dir}`, 'ServerName localhost', `Listen 127.0.0.1:${port}`, `PidFile ${dir}/apache.pid`, `ErrorLog ${dir}/apache.log`, `Mutex file:${dir} default`,
    `DefaultRuntimeDir ${dir}`, 'User www-data', 'Group www-data', `OIDCCABundlePath ${dir}/ca.pem`, inside, ''].join('\n');
}

const argvOf = (name: Name, config: string) => ({
  nginx: ['-p', dir, '-e', join(dir, 'nginx.log'), '-c', config], caddy: ['run', '--adapter', 'caddyfile', '--config', config], apache: ['-X', '-f', config],
})[name];

async function start(name: Name): Promise<void> {
  const port = await freePort();
  const config = join(dir, `${name}.conf`);
  writeFileSync(config, configOf(name, port), { mode: 0o600 });
  const child = spawn(programs[name] as string, argvOf(name, config), { cwd: dir, env: { PATH: process.env.PATH, HOME: dir, XDG_CONFIG_HOME: dir, XDG_DATA_HOME: dir, SSL_CERT_FILE: join(dir, 'ca.pem') }, stdio: ['ignore', 'ignore', 'pipe'] });
  started.push(child);
  let said = '';
  child.stderr?.on('data', (text: Buffer) => { said += text.toString(); });
  await until(() => {
    if (child.exitCode !== null) throw new Error(`${name} ended: ${said.slice(-2_000)}`);
    return new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
    });
  }, `${name} to listen`);
  ports.set(name, port);
}

/** What a client of the gateway is told; what the service behind it saw is in `seen`. */
async function through(name: Name, token?: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: Headers }> {
  seen = undefined;
  const answer = await fetch(`http://127.0.0.1:${ports.get(name)}/orders/7`, { headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers } });
  await answer.text();
  return answer;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'writ-gateways-'));
  script('security/development-certificates', dir);
  chmodSync(dir, 0o777); // Apache gives up root before it writes.
  setDefaultCACertificates([...usual, readFileSync(join(dir, 'ca.pem'), 'utf8')]);
  issuing = await Issuing.create();
  issuer = await issuing.start({ WRIT_TLS_CERT_FILE: join(dir, 'server.pem'), WRIT_TLS_KEY_FILE: join(dir, 'server.key') });
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
  behind = createServer((request, response) => {
    seen = request.headers;
    response.end('an order');
  });
  await listening(behind);
  await Promise.all(names.filter((name) => programs[name]).map(start));
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  behind?.closeAllConnections();
  behind?.close();
  await issuing?.drop();
  setDefaultCACertificates(usual);
  rmSync(dir, { recursive: true, force: true });
});

const testOf = (name: Name) => (programs[name] ? it : it.skip);
const why = (name: Name) => (programs[name] ? '' : ' (not run: it is not installed, and only root can install it)');

describe.each(names)('%s, as the documentation sets it up,', (name) => {
  const test = testOf(name);

  test(`lets a living token pass and says whose it is, whatever its client claims (G10)${why(name)}`, async () => {
    const { secret } = await issuing.claimed(issuer);
    const forged = Object.fromEntries(['owner', 'token-id', 'scopes', 'audience', 'environment', 'expires-at'].map((one) => [`x-writ-${one}`, 'mallory']));
    expect((await through(name, secret, forged)).status).toBe(200);
    expect(seen).toMatchObject({ 'x-writ-owner': 'alice', ...(name === 'apache' ? {} : { 'x-writ-scopes': 'orders:read', 'x-writ-audience': 'orders', 'x-writ-environment': 'dev' }) });
    expect(JSON.stringify(seen)).not.toContain('mallory');
    expect(JSON.stringify(seen)).not.toContain(secret);
    expect(JSON.stringify(seen)).not.toContain((gateway.authorization as string).slice('Basic '.length));
  });

  test(`lets nothing else reach the service (G10)${why(name)}`, async () => {
    const { secret: foreign } = await issuing.claimed(issuer, { scopes: ['orders:write'] });
    for (const token of [undefined, 'junk', `writ_dev_${'0'.repeat(49)}`]) {
      expect([(await through(name, token)).status, seen]).toEqual([401, undefined]);
    }
    expect([(await through(name, foreign)).status, seen]).toEqual([name === 'apache' ? 401 : 403, undefined]);
  });

  test(`refuses from the moment that a revocation has returned (G4)${why(name)}`, async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    for (let i = 0; i < 3; i++) expect((await through(name, secret)).status).toBe(200);
    await issuing.post(issuer, `/v1/tokens/${tokenId}/revoke`, { reason: 'done' }, await issuing.bearer('alice'));
    expect([(await through(name, secret)).status, seen]).toEqual([401, undefined]);
  });
});

describe('a token above its rate', () => {
  for (const name of ['nginx', 'caddy'] as const) {
    testOf(name)(`is told "later" through ${name}, never 401 (G11)${why(name)}`, async () => {
      const { secret } = await issuing.claimed(issuer, {}, { ratePerMinute: 20 });
      const statuses = [];
      for (let i = 0; i < 4; i++) statuses.push((await through(name, secret)).status);
      expect(statuses).toEqual([200, 200, 429, 429]);
    });
  }
});

describe('a token bound to networks', () => {
  for (const name of ['nginx', 'caddy'] as const) {
    testOf(name)(`passes ${name} from there, and not because its client says so (G10)${why(name)}`, async () => {
      const here = await issuing.claimed(issuer, {}, { networks: ['127.0.0.0/8'] });
      const elsewhere = await issuing.claimed(issuer, {}, { networks: ['192.0.2.0/24'] });
      expect((await through(name, here.secret)).status).toBe(200);
      expect((await through(name, elsewhere.secret, { 'x-forwarded-for': '192.0.2.7' })).status).toBe(401);
    });
  }
});

it('the address that counts is the last one: the proxy appended it (G10)', async () => {
  const { secret } = await issuing.claimed(issuer, {}, { networks: ['192.0.2.0/24'] });
  expect((await asEnvoy('GET', secret, { 'x-forwarded-for': '203.0.113.9, 192.0.2.7' })).status).toBe(200);
  expect((await asEnvoy('GET', secret, { 'x-forwarded-for': '192.0.2.7, 203.0.113.9' })).status).toBe(401);
});

/** As Envoy sends it: the held-up request's method, path and length of nothing, whatever its body was. */
function asEnvoy(method: string, token: string, more: Record<string, string | string[]>): Promise<{ status?: number; headers: IncomingHttpHeaders }> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': '0', 'x-writ-gateway-authorization': gateway.authorization as string, ...more };
    httpsRequest(`${issuer.url}/v1/ext-authz/orders/7?page=2`, { method, headers }, (answer) => {
      answer.resume().on('end', () => resolve({ status: answer.statusCode, headers: answer.headers }));
    }).on('error', reject).end();
  });
}

it('a request with two tokens is refused, whichever of them lives: the service behind may read the other (G10)', async () => {
  const { secret } = await issuing.claimed(issuer);
  expect((await asEnvoy('GET', secret, {})).status).toBe(200);
  for (const authorization of [[`Bearer ${secret}`, 'Bearer junk'], ['Bearer junk', `Bearer ${secret}`]]) expect((await asEnvoy('GET', '', { authorization })).status).toBe(401);
});

it('introspection and metadata name the same issuer, with TLS too (RFC 8414, section 3.3)', async () => {
  const { secret } = await issuing.claimed(issuer);
  const { body } = await issuing.post(issuer, '/oauth2/introspect', `token=${secret}`, gateway);
  expect(body.iss).toBe((await issuing.get(issuer, '/.well-known/oauth-authorization-server')).body.issuer);
  expect(body.iss).toBe(issuer.url);
});

it.each(['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'])('an authorization service is asked as Envoy asks: %s', async (method) => {
  const { secret } = await issuing.claimed(issuer);
  const needed = { 'x-writ-audience': 'orders', 'x-writ-scope': 'orders:read' };
  const passed = await asEnvoy(method, secret, needed);
  expect([passed.status, passed.headers['x-writ-owner']]).toEqual([200, 'alice']);
  expect((await asEnvoy(method, 'junk', needed)).status).toBe(401);
  expect((await asEnvoy(method, secret, { ...needed, 'x-writ-scope': 'orders:write' })).status).toBe(403);
  expect((await asEnvoy(method, secret, { ...needed, 'x-writ-gateway-authorization': 'Basic eDp5' })).status).toBe(401);
});
