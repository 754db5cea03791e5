import { setTimeout as sleep } from 'node:timers/promises';
import { createGateway, type Gateway } from '@writ/gateway';
import { quantile } from '../row.js';
import type { Fleet } from './fleet.js';

const everyMs = 10;

interface Taken {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

type Way = 'http' | 'answers' | 'process';

/**
 * Verifies one token a hundred times a second, to see whether something else slows it: over HTTP at the issuer that does the
 * work, at one that only answers, and in this process.
 */
export class Probe {
  private latencies: Record<Way, number[]> = { http: [], answers: [], process: [] };
  private isStopping = false;
  private readonly running: Promise<void>;

  private constructor(private readonly urls: { http: string; answers: string }, private readonly authorization: string, private readonly secret: string, private readonly gateway: Gateway) {
    this.running = this.run();
  }

  static async start(fleet: Fleet): Promise<Probe> {
    const wish = { requester: { id: 'svc:bench-probe', team: 'orders' }, reason: 'a probe', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P1D', delivery: { mode: 'claim' } };
    const { requestId } = await fleet.call<{ requestId: string }>('request', 'requester', 'POST', '/v1/requests', wish);
    let tokenId: string | undefined;
    await fleet.until('the probe’s token', async () => {
      ({ tokenId } = await fleet.call<{ tokenId?: string }>('request', 'requester', 'GET', `/v1/requests/${requestId}`));
      return tokenId !== undefined;
    });
    const { secret } = await fleet.call<{ secret: string }>('issuer', 'requester', 'POST', `/v1/tokens/${tokenId}/claim`, {});
    const { WRIT_ISSUER_URL, WRIT_GATEWAY_CLIENT_ID, WRIT_GATEWAY_CLIENT_SECRET } = fleet.platform.env;
    const gateway = createGateway({
      issuerUrl: WRIT_ISSUER_URL as string, clientId: WRIT_GATEWAY_CLIENT_ID as string, clientSecret: WRIT_GATEWAY_CLIENT_SECRET as string, audience: 'orders', name: 'bench-probe', onError: () => undefined,
    });
    const answers = fleet.platform.urls.get('issuer-answers') as string;
    return new Probe({ http: WRIT_ISSUER_URL as string, answers }, `Basic ${Buffer.from(`${WRIT_GATEWAY_CLIENT_ID}:${WRIT_GATEWAY_CLIENT_SECRET}`).toString('base64')}`, secret, gateway);
  }

  /** What was measured since the last time. */
  take(): Record<Way, Taken> {
    const taken = (latencies: number[]): Taken => ({ perSecond: 1_000 / everyMs, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) });
    const { http, answers, process } = this.latencies;
    this.latencies = { http: [], answers: [], process: [] };
    return { http: taken(http), answers: taken(answers), process: taken(process) };
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
    await this.gateway.close();
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      await this.measure('http', () => this.ask(this.urls.http));
      await this.measure('answers', () => this.ask(this.urls.answers));
      await this.measure('process', () => this.gateway.verify(this.secret));
      await sleep(everyMs);
    }
  }

  private async ask(url: string): Promise<{ code: string }> {
    const answer = await fetch(`${url}/v1/tokens/verify`, { method: 'POST', headers: { authorization: this.authorization, 'content-type': 'application/json' }, body: JSON.stringify({ token: this.secret, audience: 'orders' }) });
    return (await answer.json()) as { code: string };
  }

  private async measure(way: Way, ask: () => Promise<{ code: string }>): Promise<void> {
    const begunAt = performance.now();
    const { code } = await ask();
    if (code !== 'VALID') throw new Error(`The probe was answered ${code} (${way}).`);
    this.latencies[way].push(performance.now() - begunAt);
  }
}
