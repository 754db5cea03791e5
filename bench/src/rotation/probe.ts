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

/** Verifies one token a hundred times a second, over HTTP and in its own process, to see whether something else slows it. */
export class Probe {
  private latencies: number[] = [];
  private ownLatencies: number[] = [];
  private isStopping = false;
  private readonly running: Promise<void>;

  private constructor(private readonly url: string, private readonly authorization: string, private readonly secret: string, private readonly gateway: Gateway) {
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
    return new Probe(`${WRIT_ISSUER_URL}/v1/tokens/verify`, `Basic ${Buffer.from(`${WRIT_GATEWAY_CLIENT_ID}:${WRIT_GATEWAY_CLIENT_SECRET}`).toString('base64')}`, secret, gateway);
  }

  /** What was measured since the last time. */
  take(): { overHttp: Taken; inProcess: Taken } {
    const [overHttp, inProcess] = [this.latencies, this.ownLatencies].map((taken) => ({ perSecond: 1_000 / everyMs, p50Ms: quantile(taken, 0.5), p99Ms: quantile(taken, 0.99) })) as [Taken, Taken];
    this.latencies = [];
    this.ownLatencies = [];
    return { overHttp, inProcess };
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.running;
    await this.gateway.close();
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      const begunAt = performance.now();
      const answer = await fetch(this.url, { method: 'POST', headers: { authorization: this.authorization, 'content-type': 'application/json' }, body: JSON.stringify({ token: this.secret, audience: 'orders' }) });
      const { code } = (await answer.json()) as { code: string };
      if (code !== 'VALID') throw new Error(`The probe was answered ${code}.`);
      this.latencies.push(performance.now() - begunAt);
      const ownBegunAt = performance.now();
      const own = await this.gateway.verify(this.secret);
      if (own.code !== 'VALID') throw new Error(`The probe's own process said ${own.code}.`);
      this.ownLatencies.push(performance.now() - ownBegunAt);
      await sleep(everyMs);
    }
  }
}
