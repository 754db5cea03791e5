import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { Alerts } from './alert.store.js';
import { Baselines } from './baseline.store.js';
import { detect, mayMatter, verdictOf, type Surroundings } from './detect.js';
import type { Features } from './features.js';
import { addUsage, emptyBatch, networkHash, shortHash, sourceKey, type Observed, type SourceUse, type UsageBatch } from './observe.js';
import { seedOf } from './seed.js';
import { tokenById, type KnownToken } from './token.store.js';
import { appendMinutes, pastOf, touchSources } from './usage.store.js';

interface Candidate {
  observed: Observed;
  features: Features;
  token?: KnownToken;
  network: string;
  agent: string;
}

const rewriteAfterMs = 3_600_000;
const mostRemembered = 200_000;

/**
 * Judges what verifiers saw. All messages of a transaction are taken together: one round trip to Redis, a few
 * statements. Redis is asked before anything is written, so a past that is read never holds the present.
 */
@MessageHandler()
export class OnUsage {
  private readonly batches = new WeakMap<Tx<'monitor'>, UsageBatch>();
  /** Sources written within the hour by this replica: writing them again would say nothing new. */
  private readonly written = new Map<string, number>();

  constructor(private readonly baselines: Baselines, private readonly alerts: Alerts, private readonly clock: Clock) {}

  @On('usage.recorded')
  recorded({ id, data }: Message<'usage.recorded'>, tx: Tx<'monitor'>): void {
    let batch = this.batches.get(tx);
    if (!batch) {
      const started = (batch = emptyBatch());
      this.batches.set(tx, started);
      tx.beforeCommit(() => this.take(tx, started));
    }
    addUsage(batch, id, data, this.clock.now().getTime());
  }

  private async take(tx: Tx<'monitor'>, batch: UsageBatch): Promise<void> {
    const tokens = [...batch.tokens.values()];
    const features = await this.featuresFor(tx, tokens);
    await appendMinutes(tx.db, [...batch.minutes.values()]);
    await this.writeSources(tx, [...batch.sources.values()]);
    const candidates = tokens.flatMap((observed, i) => {
      const facts = features[i];
      return facts && mayMatter(facts) ? [{ observed, features: facts, ...namesOf(observed, facts) }] : [];
    });
    if (candidates.length > 0) await this.judge(tx, candidates);
  }

  private async featuresFor(tx: Tx<'monitor'>, tokens: Observed[]): Promise<(Features | undefined)[]> {
    const features = await this.baselines.observe(tokens);
    const strangers = tokens.flatMap((observed, i) => (features[i] ? [] : [{ observed, i }]));
    if (strangers.length === 0) return features;
    const pasts = await pastOf(tx.db, strangers.map(({ observed }) => observed.tokenId));
    await this.baselines.start(strangers.map(({ observed: { tokenId, at } }) => ({ tokenId, fields: seedOf(pasts.get(tokenId), at) })));
    const again = await this.baselines.observe(strangers.map(({ observed }) => observed));
    strangers.forEach(({ i }, k) => (features[i] = again[k]));
    return features;
  }

  private async writeSources(tx: Tx<'monitor'>, sources: SourceUse[]): Promise<void> {
    const due = sources.filter(({ tokenId, kind, value, lastAt }) => lastAt - (this.written.get(sourceKey(tokenId, kind, value)) ?? 0) > rewriteAfterMs);
    await touchSources(tx.db, due);
    tx.onCommit(() => {
      if (this.written.size > mostRemembered) this.written.clear();
      for (const { tokenId, kind, value, lastAt } of due) this.written.set(sourceKey(tokenId, kind, value), lastAt);
    });
  }

  private async judge(tx: Tx<'monitor'>, candidates: Candidate[]): Promise<void> {
    await Promise.all(candidates.map(async (candidate) => {
      candidate.token = await tokenById(tx.db, candidate.observed.tokenId);
    }));
    const isNew = (age: number) => age >= 0 && age < 3_600;
    const spreads = await this.baselines.spread(candidates.map(({ observed: { tokenId }, features, token, network, agent }) => ({
      tokenId, team: token?.team ?? '', network: isNew(features.networkAge) ? network : undefined, agent: isNew(features.agentAge) ? agent : undefined,
    })), Math.floor(this.clock.now().getTime() / 1000));
    for (const [i, { observed, features, token, network, agent }] of candidates.entries()) {
      const alive = token === undefined || token.state === 'active';
      const around: Surroundings = {
        tokensOfNetwork: 0, tokensOfCaller: 0, tokensOfAgent: 0, ...spreads[i], network, agent, tokensOfTeam: token?.team_tokens ?? 0, retired: alive,
      };
      const findings = detect(features, around);
      const verdict = verdictOf(findings);
      if (verdict) await this.alerts.raise(tx, { tokenId: observed.tokenId, token, verdict, evidence: { features, around, findings }, observedAt: new Date(features.now * 1000) });
    }
  }
}

/** The newest network and agent in the verifiers' own words; of a dead secret's uses, where they came from. */
function namesOf({ observations }: Observed, features: Features): { network: string; agent: string } {
  const named = observations.find(({ network, agent }) => networkHash(network) === features.network && (features.agent === '' || shortHash(agent) === features.agent))
    ?? observations.find(({ network }) => networkHash(network) === features.network) ?? observations.find(({ use }) => use === 'x') ?? observations[0];
  return { network: named?.network ?? '', agent: named?.agent ?? '' };
}
