import { services, silentAfterMs } from '@writ/contracts';
import type { Leaf } from '../entries/leaf.js';
import type { Finding } from './finding.js';

/** When each service was last heard to be alive, by the entries themselves. */
export class SignsOfLife {
  private readonly heard = new Map<string, number>();

  constructor(private readonly sinceMs: number) {}

  take({ type, data, rec }: Leaf): void {
    if (type === 'service.alive' && typeof data?.service === 'string') this.heard.set(data.service, Date.parse(rec));
  }

  /** Services of which nothing was heard for too long; whoever has not listened for that long does not know. */
  missing(nowMs: number): Finding[] {
    if (nowMs - this.sinceMs < silentAfterMs) return [];
    return services.filter((service) => nowMs - (this.heard.get(service) ?? 0) > silentAfterMs)
      .map((service) => ({ code: 'service-silent', detail: `Nothing was heard of ${service} for ${silentAfterMs / 1_000} seconds.` }));
  }
}
