import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { callbackStore, environmentStore, fileStore, keepFresh, writAs, type Authorization, type SecretStore } from './index.js';

type State = 'claimable' | 'delivered' | 'used' | 'retired';

/** An issuer of one token, small enough to see through: who shows a living secret gets 200, others 401. */
class OneTokenIssuer {
  readonly generations: { rotationId?: string; state: State; secret: string; key?: string; isTooLate?: boolean }[] = [{ state: 'claimable', secret: '' }];
  killed = false;
  refused = 0;
  served = 0;
  /** Answers to claims that get lost on their way. */
  losing = 0;
  /** Answers that end in the middle of their body. */
  cutting = 0;
  suspended = false;
  minted = 0;
  private server!: Server;

  async start(): Promise<string> {
    this.server = createServer((request, response) => {
      let body = '';
      request.on('data', (part) => { body += part; }).on('end', () => {
        const [status, answer] = this.answer(request.url!, body, request.headers);
        if (status === 0) return response.destroy();
        if (this.cutting > 0) {
          this.cutting -= 1;
          response.writeHead(status, { 'content-type': 'application/json' }).write('{"sta');
          return setTimeout(() => response.destroy(), 5);
        }
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): Promise<unknown> {
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  rotate(): void {
    this.generations.push({ rotationId: `rot_${this.generations.length}`, state: 'claimable', secret: '' });
  }

  /** Which generation's secret is in force, oldest first. */
  get living(): State[] {
    return this.generations.filter(({ state }) => state !== 'retired').map(({ state }) => state);
  }

  private answer(url: string, body: string, headers: Record<string, unknown>): [number, unknown] {
    if (url === '/api') return this.use(String(headers.authorization));
    if (url.endsWith('/claim')) return this.claim((JSON.parse(body) as { rotationId?: string }).rotationId, String(headers['idempotency-key']));
    if (url.endsWith('/stop')) {
      const stopped = this.generations.find(({ rotationId }) => url.includes(rotationId ?? 'none'))!;
      if (stopped.state === 'used') return [409, { code: 'successor-in-use', detail: 'The new secret is in use.' }];
      stopped.state = 'retired';
      return [200, {}];
    }
    const first = this.generations[0]!;
    return [200, { state: this.killed ? 'revoked' : first.state === 'claimable' ? 'issued' : 'active', generations: this.generations.map(({ rotationId, state }, i) => ({ generation: i + 1, rotationId, state })).filter(({ state }) => state !== 'retired') }];
  }

  private claim(rotationId: string | undefined, key: string): [number, unknown] {
    const generation = this.generations.find((each) => each.rotationId === rotationId)!;
    if (this.suspended) return [409, { code: 'token-suspended', detail: 'This token is suspended.' }];
    if (generation.key !== undefined && generation.key !== key) {
      this.killed = true;
      return [409, { code: 'claimed-twice', detail: 'Claimed by another session.' }];
    }
    if (generation.isTooLate) return [409, { code: 'already-claimed', detail: 'The time to ask again is over.' }];
    Object.assign(generation, { key, state: 'delivered', secret: `writ_secret_${++this.minted}` });
    if (this.losing > 0) {
      this.losing -= 1;
      return [0, undefined];
    }
    return [200, { tokenId: 'tok_1', secret: generation.secret, expiresAt: '2030-01-01T00:00:00Z', generation: this.generations.indexOf(generation) + 1 }];
  }

  private use(shown: string): [number, unknown] {
    const generation = this.generations.find(({ secret, state }) => secret !== '' && shown === `Bearer ${secret}` && state !== 'retired');
    if (!generation || this.killed) {
      this.refused += 1;
      return [401, {}];
    }
    this.served += 1;
    generation.state = 'used';
    // First use of the new one ends the old one a little later, as the grace does.
    const at = this.generations.indexOf(generation);
    setTimeout(() => { for (const old of this.generations.slice(0, at)) old.state = 'retired'; }, 150);
    return [200, {}];
  }
}

describe('keeping a secret fresh', () => {
  let folder: string;
  let issuer: OneTokenIssuer;
  let url: string;
  let watching: AbortController;
  let watched: ReturnType<typeof keepFresh> | undefined;
  const file = () => join(folder, 'secret');
  const troubles: string[] = [];
  const watch = (store: SecretStore, authorization: Authorization = 'Bearer me') => {
    const urls = { request: url, policy: url, issuer: url, rotation: url, audit: url, monitor: url };
    return (watched = keepFresh({ tokenId: 'tok_1', store, writ: writAs(urls, authorization), pollMs: 15, signal: watching.signal, onTrouble: ({ message }) => troubles.push(message) }));
  };
  /** A client that crashed after it had stored the successor and before it had noted that. */
  const crashed = (state: State) => {
    issuer.generations[0] = { state: 'used', secret: 'writ_old', key: 'first' };
    issuer.generations.push({ rotationId: 'rot_1', state, secret: 'writ_new', key: 'written-down', isTooLate: true });
    writeFileSync(file(), 'writ_new\n');
    writeFileSync(`${file()}.previous`, 'writ_old\n');
    writeFileSync(`${file()}.claim`, JSON.stringify({ tokenId: 'tok_1', rotationId: 'rot_1', key: 'written-down' }));
  };
  const until = async (met: () => boolean) => { for (let i = 0; i < 400 && !met(); i++) await pause(10); expect(met()).toBe(true); };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'keep-fresh-'));
    issuer = new OneTokenIssuer();
    url = await issuer.start();
    watching = new AbortController();
  });
  afterEach(async () => {
    watching.abort();
    troubles.length = 0;
    await watched; // Its last look ends before the folder goes.
    await issuer.stop();
    rmSync(folder, { recursive: true });
  });

  it('G7: a long-running client that reads the file before each call loses none through ten rotations', async () => {
    void watch(fileStore(file()));
    await until(() => readdirSync(folder).includes('secret'));
    let isRunning = true;
    const client = async () => {
      while (isRunning) {
        const secret = readFileSync(file(), 'utf8').trim();
        await fetch(`${url}/api`, { headers: { authorization: `Bearer ${secret}` } });
      }
    };
    const clients = [client(), client(), client()];
    for (let i = 1; i <= 10; i++) {
      issuer.rotate();
      await until(() => issuer.generations[i]!.state === 'used' && issuer.living.length === 1);
    }
    isRunning = false;
    await Promise.all(clients);
    watching.abort();
    expect(await watched).toBe('aborted');
    expect(issuer.killed).toBe(false);
    expect({ refused: issuer.refused, isBusy: issuer.served > 100 }).toEqual({ refused: 0, isBusy: true });
  });

  it('keeps the old secret beside the new one until that has been used, readable by its owner alone', async () => {
    void watch(fileStore(file()));
    await until(() => issuer.minted === 1);
    issuer.rotate();
    await until(() => readdirSync(folder).includes('secret.previous') && readFileSync(file(), 'utf8') === 'writ_secret_2\n');
    await pause(60);
    expect(readFileSync(`${file()}.previous`, 'utf8')).toBe('writ_secret_1\n');
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
    await fetch(`${url}/api`, { headers: { authorization: 'Bearer writ_secret_2' } });
    await until(() => readdirSync(folder).join() === 'secret');
  });

  it('goes back to the old secret when the rotation is stopped', async () => {
    void watch(fileStore(file()));
    await until(() => issuer.minted === 1);
    issuer.rotate();
    await until(() => issuer.minted === 2);
    issuer.generations[1]!.state = 'retired';
    await until(() => readFileSync(file(), 'utf8') === 'writ_secret_1\n' && readdirSync(folder).join() === 'secret');
  });

  it('asks again with the same key when the answer to a claim is lost, so the token lives', async () => {
    issuer.losing = 2;
    void watch(fileStore(file()));
    await until(() => readdirSync(folder).includes('secret'));
    expect(issuer.killed).toBe(false);
    expect(readFileSync(file(), 'utf8').trim()).toBe(issuer.generations[0]!.secret);
  });

  it('goes on with the claim that a crash cut off', async () => {
    issuer.generations[0] = { state: 'delivered', secret: 'writ_lost', key: 'written-down' };
    writeFileSync(`${file()}.claim`, JSON.stringify({ tokenId: 'tok_1', key: 'written-down' }));
    void watch(fileStore(file()));
    await until(() => readdirSync(folder).join() === 'secret');
    expect(issuer.killed).toBe(false);
  });

  it('G7: stops a rotation whose answer is lost for good, so that the old secret lives on', async () => {
    issuer.generations[0] = { state: 'used', secret: 'writ_old', key: 'first' };
    issuer.generations.push({ rotationId: 'rot_1', state: 'delivered', secret: 'writ_lost', key: 'written-down', isTooLate: true });
    writeFileSync(file(), 'writ_old\n');
    writeFileSync(`${file()}.claim`, JSON.stringify({ tokenId: 'tok_1', rotationId: 'rot_1', key: 'written-down' }));
    void watch(fileStore(file()));
    await until(() => issuer.generations[1]!.state === 'retired' && readdirSync(folder).join() === 'secret');
    expect(readFileSync(file(), 'utf8')).toBe('writ_old\n');
    expect(issuer.killed).toBe(false);
  });

  it('G7: has a secret that works after a crash between storing and noting it, unused or in use', async () => {
    crashed('delivered');
    void watch(fileStore(file()));
    await until(() => issuer.generations[1]!.state === 'retired' && readdirSync(folder).join() === 'secret');
    expect(readFileSync(file(), 'utf8')).toBe('writ_old\n');
    watching.abort();
    await watched;
    watching = new AbortController();
    issuer.generations.pop();
    crashed('used');
    void watch(fileStore(file()));
    await until(() => readdirSync(folder).join() === 'secret');
    expect(readFileSync(file(), 'utf8')).toBe('writ_new\n');
    issuer.rotate();
    await until(() => readFileSync(file(), 'utf8').startsWith('writ_secret_'));
    expect(issuer.killed).toBe(false);
  });

  it('G7: keeps the key of a claim that was refused for now', async () => {
    issuer.generations[0] = { state: 'delivered', secret: 'writ_lost', key: 'written-down' };
    writeFileSync(`${file()}.claim`, JSON.stringify({ tokenId: 'tok_1', key: 'written-down' }));
    issuer.suspended = true;
    void watch(fileStore(file()));
    await until(() => troubles.includes('This token is suspended.'));
    issuer.suspended = false;
    await until(() => readdirSync(folder).join() === 'secret');
    expect(issuer.killed).toBe(false);
  });

  it('G7: goes on when answers end half-way, and when the bearer cannot be renewed for a while', async () => {
    let calls = 0;
    issuer.cutting = 2;
    void watch(callbackStore(() => undefined), () => {
      calls += 1;
      if (calls > 1 && calls < 4) throw new Error('The provider is away.');
      return 'Bearer me';
    });
    await until(() => issuer.minted === 1);
    expect([issuer.cutting, troubles]).toEqual([0, ['The provider is away.', 'The provider is away.']]);
  });

  it('says at once that it cannot prove who calls', async () => {
    await expect(watch(callbackStore(() => undefined), () => { throw new Error('You are not signed in.'); })).rejects.toThrow('not signed in');
    watched = undefined;
  });

  it('ends when the token ends', async () => {
    issuer.killed = true;
    expect(await watch(fileStore(file()))).toBe('revoked');
  });

  it('hands secrets to a callback or into an environment variable as well', async () => {
    const seen: string[] = [];
    void watch(callbackStore((secret, previous) => { seen.push(`${previous ?? 'none'} → ${secret}`); }));
    await until(() => issuer.minted === 1);
    issuer.rotate();
    await until(() => seen.length === 2);
    expect(seen).toEqual(['none → writ_secret_1', 'writ_secret_1 → writ_secret_2']);
    const environment: NodeJS.ProcessEnv = {};
    const store = environmentStore('ORDERS_TOKEN', environment);
    await store.put('writ_x');
    expect(environment.ORDERS_TOKEN).toBe('writ_x');
  });
});
