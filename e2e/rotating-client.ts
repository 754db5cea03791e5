import { setTimeout as sleep } from 'node:timers/promises';
import { callbackStore, keepFresh } from '@writ/client';
import type { RequestAnswer } from '@writ/contracts';
import { as, untilStatus, verify, wish } from './platform.js';
import { sampleWith } from './policy-sets.js';

/** What makes the sample policy's development tokens rotate by themselves every five seconds and leave old secrets two. */
export const restlessWords = { '@rotate("P30D")': '@rotate("PT5S")', 'rotate: P30D }': 'rotate: PT5S }', '@grace("P1D")': '@grace("PT2S")' };
export const restlessPeriodMs = 5_000;
export const restlessPolicy = sampleWith(restlessWords);

const requester = as('requester');

/** A long-running consumer of one token: it calls with its secret all the time and picks each new one up by itself. */
export class RotatingClient {
  calls = 0;
  /** Calls that the platform was not there to answer, or not yet sure enough to. */
  unanswered = 0;
  /** Calls that were answered with no. */
  readonly failed: string[] = [];
  /** Secrets picked up so far. */
  secrets = 0;
  private readonly ending = new AbortController();
  private running: Promise<unknown> = Promise.resolve();
  private readonly store = callbackStore(() => { this.secrets += 1; });

  private constructor(readonly tokenId: string) {}

  /** Requests a token and begins to use it, with a pause between two calls. */
  static async start(pauseMs: number): Promise<RotatingClient> {
    const { requestId } = await requester.request.post<RequestAnswer>('/v1/requests', { body: wish() });
    const client = new RotatingClient((await untilStatus(requestId, 'issued')).tokenId as string);
    client.running = Promise.all([client.keep(), client.call(pauseMs)]);
    return client;
  }

  async stop(): Promise<void> {
    this.ending.abort();
    await this.running;
  }

  private async keep(): Promise<void> {
    const ended = await keepFresh({ tokenId: this.tokenId, writ: requester, store: this.store, pollMs: 300, signal: this.ending.signal });
    if (ended !== 'aborted') this.failed.push(`the token was ${ended}`);
  }

  private async call(pauseMs: number): Promise<void> {
    while (!this.ending.signal.aborted) {
      const secret = await this.store.current();
      if (secret !== undefined) await this.callOnce(secret);
      await sleep(pauseMs);
    }
  }

  private async callOnce(secret: string): Promise<void> {
    try {
      const { valid, code, generation } = await verify(secret, ['orders:read']);
      if (code === 'STALE') this.unanswered += 1;
      else if (!valid) this.failed.push(`${code} for secret ${generation ?? '?'} in call ${this.calls}`);
      this.calls += 1;
    } catch {
      this.unanswered += 1;
    }
  }
}
