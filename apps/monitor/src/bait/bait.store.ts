import { Injectable } from '@nestjs/common';
import type { Tx } from '@writ/messaging';
import { Alerts } from '../alerts/alert.store.js';
import { Baselines } from '../baselines/baseline.store.js';
import { Honeytokens } from './honeytoken.store.js';
import { slicesOf, type UsageBatch } from '../baselines/observe.js';
import { permitted, type Bounds } from '../detectors/respond.js';
import { tokenById } from '../usage/token.store.js';

/** What follows when somebody uses bait. */
@Injectable()
export class Bait {
  constructor(private readonly baselines: Baselines, private readonly alerts: Alerts, private readonly honeytokens: Honeytokens) {}

  /** Bait was taken: nobody honest uses it. It is left alive, so that the thief learns nothing; the thief's other finds are stopped. */
  async taken(tx: Tx<'monitor'>, batch: UsageBatch, tokenId: string, bounds: Bounds): Promise<void> {
    const uses = slicesOf(batch).filter((slice) => slice.tokenId === tokenId).flatMap(({ observations }) => observations);
    const networks = [...new Set(uses.map(({ network }) => network).filter((network) => network !== ''))];
    await this.baselines.bait(networks);
    const at = new Date(Math.min(...[...batch.minutes.values()].filter((row) => row.tokenId === tokenId).map(({ lastAt }) => lastAt)));
    const touched = await this.honeytokens.touchedFrom(tx.db, networks, tokenId, at);
    const agents = [...new Set(uses.map(({ agent }) => agent).filter((agent) => agent !== ''))];
    const where = `from ${networks.join(', ') || 'an unknown network'}${agents.length > 0 ? ` by ${agents.join(', ')}` : ''}`;
    const others = touched.length > 0 ? ` From there came also: ${touched.map(({ token_id }) => token_id).join(', ')}.` : ' No other token was used from there for the first time within a day.';
    const [verdict] = permitted([{ detector: 'honeytoken', action: 'notify', explanation: `Critical: a honeytoken was used ${where}.${others}` }], bounds, await tokenById(tx.db, tokenId));
    if (verdict) await this.alerts.raise(tx, { tokenId, verdict, evidence: { networks, agents, touched }, observedAt: at });
    const explanation = `First used within the last day from ${networks.join(', ')}, where somebody tries stolen tokens.`;
    for (const { token_id, by_stranger } of touched) {
      const token = await tokenById(tx.db, token_id);
      const [other] = permitted([{ detector: 'honeytoken-source', action: by_stranger ? 'suspend' : 'notify', explanation }], bounds, token);
      if (other) await this.alerts.raise(tx, { tokenId: token_id, token, verdict: other, evidence: { networks }, observedAt: at });
    }
  }
}
