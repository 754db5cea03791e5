import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates, TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { Module } from '@nestjs/common';
import type { Message } from '@writ/contracts';
import { MessageHandler, On } from '@writ/messaging';
import { ServiceConfig, startService, type Service } from '@writ/service';
import { TestBench, until } from '@writ/testing';

const heard: string[] = [];

@MessageHandler()
class OnEverything {
  @On('request.submitted', 'request.cancelled')
  ignore(): void {}

  @On('trust.changed')
  trust({ id }: Message<'trust.changed'>): void {
    heard.push(id);
  }
}

@Module({ controllers: [OnEverything] })
class PolicyLike {}

let bench: TestBench;
let folder: string;
const proxies: Server[] = [];
const usual = getCACertificates('default');
const pem = (name: string) => readFileSync(join(folder, name), 'utf8');

beforeAll(async () => {
  bench = await TestBench.create();
  folder = join(bench.dir, 'certificates');
  execFileSync(process.execPath, [fileURLToPath(new URL('../../../scripts/security/development-certificates.mjs', import.meta.url)), folder]);
});
afterAll(async () => {
  setDefaultCACertificates(usual);
  for (const proxy of proxies) proxy.close();
  await bench.drop();
});

/** A server of ours that speaks TLS for one that does not. PostgreSQL's clients ask for it first, in plain text. */
async function behindTls(address: string, protocol: string, parameters = ''): Promise<string> {
  const url = new URL(address);
  const target = { host: url.hostname, port: Number(url.port) };
  const wrap = (socket: Socket) => {
    const inner = connect(target);
    const outer = new TLSSocket(socket, { isServer: true, cert: pem('server.pem'), key: pem('server.key') });
    for (const each of [inner, outer, socket]) each.on('error', () => { inner.destroy(); socket.destroy(); });
    outer.pipe(inner).pipe(outer);
  };
  const proxy = createServer((socket) => {
    if (protocol !== 'postgres:') return wrap(socket);
    socket.once('data', (asked) => {
      if (asked.readInt32BE(4) !== 80_877_103) return socket.destroy(); // Not the request for TLS: plain text gets nothing.
      socket.write('S');
      wrap(socket);
    });
  });
  proxies.push(proxy);
  await new Promise<void>((resolve) => { proxy.listen(0, '127.0.0.1', resolve); });
  const { username, password, pathname } = url;
  return `${protocol}//${username}:${password}@127.0.0.1:${(proxy.address() as AddressInfo).port}${pathname}${parameters}`;
}

async function environment(): Promise<NodeJS.ProcessEnv> {
  const env = await bench.env('policy', []);
  return {
    ...env,
    WRIT_TLS_CERT_FILE: join(folder, 'server.pem'), WRIT_TLS_KEY_FILE: join(folder, 'server.key'),
    WRIT_DATABASE_URL: await behindTls(env.WRIT_DATABASE_URL as string, 'postgres:', '?sslmode=verify-full'),
    WRIT_BROKER_URL: await behindTls(env.WRIT_BROKER_URL as string, 'amqps:'),
  };
}

const start = (env: NodeJS.ProcessEnv): Promise<Service> => startService({ name: 'policy', module: PolicyLike, config: ServiceConfig, env });

function ready(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(`${url}/health/ready`, (answer) => { answer.resume(); resolve(answer.statusCode ?? 0); }).on('error', reject);
  });
}

describe('with TLS by configuration', () => {
  it('a service does not start where it cannot check who the database is', async () => {
    await expect(start(await environment())).rejects.toThrow(/certificate/);
  });

  it('a service answers, reads its database and hears the bus, all over TLS', async () => {
    setDefaultCACertificates([...usual, pem('ca.pem')]);
    const service = await start(await environment());
    expect(service.url).toMatch(/^https:/);
    expect(await ready(service.url)).toBe(200);
    await expect(fetch(service.url.replace('https:', 'http:'))).rejects.toThrow();
    const id = await bench.bus.say('monitor', 'trust.changed', { ownerId: 'svc:a', team: 'orders', openIncidents: 0, version: 1, code: 'incident-opened', since: '2026-01-01T00:00:00Z' } as never);
    await until(() => heard.includes(id), 'the message');
    await service.close();
  });

  it('a certificate without its key is a mistake, not plain text', async () => {
    await expect(start({ ...await environment(), WRIT_TLS_KEY_FILE: undefined })).rejects.toThrow(/together/);
  });
});
