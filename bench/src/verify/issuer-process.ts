import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { makeId, requestDigest, services, signStatement, queues, type AcceptedRequest, type RequestApproved, type RequestSubmitted } from '@writ/contracts';
import { TestBench, until } from '@writ/testing';

/** A file of the issuer as it is built. */
export const issuerProgram = (file: string) => new URL(`../../../apps/issuer/dist/${file}`, import.meta.url);
const atOnce = 200;
type Approved = readonly [RequestSubmitted, RequestApproved];
const policyDigest = `sha256:${'1'.repeat(64)}` as never;

/** The bounds on memory that every service is started with. */
export async function nodeFlags(): Promise<string[]> {
  return ((await import(new URL('../../../scripts/platform/services.mjs', import.meta.url).href)) as { nodeFlags: string[] }).nodeFlags;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** An issuer in a process of its own, with real databases and broker, and tokens that it issued and that were claimed. */
export class BenchIssuer {
  url = '';
  gateway = { clientId: '', clientSecret: '' };

  private constructor(readonly bench: TestBench, private readonly process: ChildProcess, readonly alice: string, readonly root: string) {}

  static async start(
    prepare: (bench: TestBench) => Promise<Record<string, string>> = async () => ({}), fill: (bench: TestBench, env: NodeJS.ProcessEnv) => Promise<void> = async () => undefined,
    flags: readonly string[] = [],
  ): Promise<BenchIssuer> {
    const bench = await TestBench.create();
    // Nobody else is there to hear; their queues would fill up unread.
    for (const service of services) if (service !== 'issuer') for (const type of ['token.issued', 'token.delivered', 'usage.recorded', 'token.revoked', 'service.alive'] as const) await bench.bus.unbind(queues.events(service), type);
    await bench.bus.forget();
    const migrations = (await import(issuerProgram('migrations/index.js').href)) as never;
    const port = await freePort();
    const env = await bench.env('issuer', migrations, { WRIT_HTTP_PORT: String(port), WRIT_LOG_LEVEL: 'error', WRIT_CALLS_PER_SECOND: '1000000', ...(await prepare(bench)) });
    await fill(bench, env);
    const process_ = spawn(process.execPath, [...flags, fileURLToPath(issuerProgram('main.js'))], { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'inherit', 'inherit'] });
    const token = async (sub: string, groups: string[]) => `Bearer ${await bench.identity.token({ sub, groups, expiresIn: '8h' })}`;
    const issuer = new BenchIssuer(bench, process_, await token('alice', []), await token('root', ['admins']));
    issuer.url = `http://127.0.0.1:${port}`;
    try {
      await until(() => {
        if (process_.exitCode !== null) throw new Error('the issuer did not start');
        return fetch(`${issuer.url}/health/ready`).then(({ ok }) => ok, () => false);
      }, 'the issuer to be ready', 30_000);
      issuer.gateway = (await issuer.post('/v1/gateways', { name: 'bench', audiences: ['orders'], brokerUser: new URL(bench.bus.adminUrl()).username }, issuer.root)) as typeof issuer.gateway;
      return issuer;
    } catch (error) {
      await issuer.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.process.pid as number;
  }

  get basic(): string {
    return `Basic ${Buffer.from(`${this.gateway.clientId}:${this.gateway.clientSecret}`).toString('base64')}`;
  }

  async post(path: string, body: unknown, authorization: string): Promise<Record<string, unknown>> {
    const answer = await fetch(this.url + path, { method: 'POST', headers: { 'content-type': 'application/json', authorization }, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as Record<string, unknown>;
  }

  /** Issues tokens through the bus, as request and policy would have it. @returns their ids */
  async issue(count: number): Promise<string[]> {
    await this.say(this.approved(count));
    return (await this.bench.database('issuer').query<{ token_id: string }>(`SELECT token_id FROM token WHERE state = 'issued' ORDER BY token_id`)).map(({ token_id }) => token_id);
  }

  /** Requests and their approvals, signed. */
  approved(count: number, more: Partial<AcceptedRequest> = {}): Approved[] {
    const alice = { iss: this.bench.identity.issuer, sub: 'alice' };
    const iat = Math.floor(Date.now() / 1_000);
    return Array.from({ length: count }, () => this.signed(alice, iat, more));
  }

  /** Says them on the bus, and waits until their tokens are committed. */
  async say(all: readonly Approved[]): Promise<void> {
    const before = await this.count();
    for (let done = 0; done < all.length; done += atOnce) {
      const slice = all.slice(done, done + atOnce);
      await Promise.all(slice.map(([request]) => this.bench.bus.say('request', 'request.submitted', request)));
      await Promise.all(slice.map(([, approval]) => this.bench.bus.say('policy', 'request.approved', approval)));
    }
    await until(async () => (await this.count()) - before >= all.length, `${all.length} tokens to be issued`, 120_000);
  }

  async claim(tokenId: string): Promise<string> {
    return String((await this.post(`/v1/tokens/${tokenId}/claim`, {}, this.alice)).secret);
  }

  async stop(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.bench.drop();
  }

  private async count(): Promise<number> {
    return Number((await this.bench.database('issuer').query<{ n: string }>('SELECT count(*) AS n FROM token'))[0]?.n);
  }

  private signed(alice: { iss: string; sub: string }, iat: number, more: Partial<AcceptedRequest>): Approved {
    const scopes = ['orders:read', 'orders:write'];
    const request = {
      requestId: makeId('req', Date.now(), randomBytes(10)), source: 'http', submissionId: 'x', submitter: alice, requester: { id: 'alice', team: 'orders' }, claimant: alice,
      reason: 'bench', resource: 'orders', audience: 'orders', scopes, environment: 'prod', ttl: 'P1D', delivery: { mode: 'claim' as const }, ...more,
    };
    const digest = requestDigest(request);
    const { requestId } = request;
    const grant = { scopes };
    const submitted = { ...request, requestDigest: digest, statement: signStatement(this.bench.signingKey('request'), 'request', { iat, requestId, requestDigest: digest }) };
    const approval = {
      requestId, requestDigest: digest, policyDigest, code: 'auto', because: [], grant, require: [], votes: [],
      statement: signStatement(this.bench.signingKey('policy'), 'decision', { iat, exp: iat + 3_600, requestId, requestDigest: digest, outcome: 'approve', policyDigest, inputDigest: policyDigest, grant, require: [] }),
    };
    return [submitted, approval];
  }
}
