import type { Message } from '@writ/contracts';
import { MessageHandler, On, type Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { Alerts } from '../alerts/alert.store.js';
import { Bait } from '../bait/bait.store.js';
import { Baselines } from '../baselines/baseline.store.js';
import { detect, isDeploy, isFirstUse, mayMatter, type Surroundings } from '../detectors/detect.js';
import type { Features } from '../baselines/features.js';
import { geoFactsOf, type GeoFacts } from '../detectors/geo.js';
import { Places } from '../detectors/geo.store.js';
import { Honeytokens } from '../bait/honeytoken.store.js';
import { limitsOf } from '../detectors/limit.store.js';
import { addUsage, emptyBatch, networkHash, shortHash, slicesOf, sourceKey, type Observed, type SourceUse, type UsageBatch } from '../baselines/observe.js';
import { permitted, type Bounds } from '../detectors/respond.js';
import { responseRules } from '../detectors/response.store.js';
import { seedOf } from '../baselines/seed.js';
import { tokenById, tokensUsedBy, type KnownToken } from './token.store.js';
import { appendMinutes, networksBefore, pastOf, touchSources } from './usage.store.js';

interface Candidate {
  observed: Observed;
  features: Features;
  token?: KnownToken;
  /** How many tokens its team uses. */
  ofTeam?: number;
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

  constructor(private readonly baselines: Baselines, private readonly alerts: Alerts, private readonly honeytokens: Honeytokens, private readonly bait: Bait, private readonly places: Places, private readonly clock: Clock) {}

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
    const slices = slicesOf(batch);
    const features = await this.featuresFor(tx, slices);
    await appendMinutes(tx.db, [...batch.minutes.values()]);
    await this.writeSources(tx, [...batch.sources.values()]);
    const bait = await this.honeytokens.among(tx.db, [...new Set([...batch.minutes.values()].map(({ tokenId }) => tokenId))]);
    const candidates = slices.flatMap((observed, i) => {
      const facts = features[i];
      return facts && mayMatter(facts) && !bait.includes(observed.tokenId) ? [{ observed, features: facts, ...namesOf(observed, facts) }] : [];
    });
    if (candidates.length === 0 && bait.length === 0) return;
    const bounds = { rules: await responseRules(tx.db), limits: await limitsOf(tx.db) };
    if (candidates.length > 0) await this.judge(tx, candidates, bounds);
    for (const tokenId of bait) await this.bait.taken(tx, batch, tokenId, bounds);
  }

  private async featuresFor(tx: Tx<'monitor'>, slices: Observed[]): Promise<(Features | undefined)[]> {
    const features = await this.baselines.observe(slices);
    const strangers = slices.flatMap((observed, i) => (features[i] ? [] : [{ observed, i }]));
    if (strangers.length === 0) return features;
    const earliest = new Map(strangers.reverse().map(({ observed }) => [observed.tokenId, observed])); // Of several the first in time stays.
    const pasts = await pastOf(tx.db, [...earliest.keys()]);
    await this.baselines.start([...earliest.values()].map(({ tokenId, at, observations }) => ({
      tokenId, fields: seedOf(pasts.get(tokenId), { first: observations.reduce((least, each) => Math.min(least, each.at), at), now: at }),
    })));
    strangers.reverse();
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

  private async judge(tx: Tx<'monitor'>, candidates: Candidate[], bounds: Bounds): Promise<void> {
    await Promise.all(candidates.map(async (candidate) => {
      candidate.token = await tokenById(tx.db, candidate.observed.tokenId);
      if (candidate.token) candidate.ofTeam = await tokensUsedBy(tx.db, candidate.token.team);
    }));
    const isNew = (age: number) => age >= 0 && age < 3_600;
    const spreads = await this.baselines.spread(candidates.map(({ observed: { tokenId }, features, token, network, agent }) => ({
      tokenId, at: features.now, team: token?.team ?? '', network: isNew(features.networkAge) ? network : undefined, agent: isNew(features.agentAge) ? agent : undefined,
    })));
    const deploys = new Map<string, [team: string, agent: string, at: Date]>();
    for (const [i, { observed, features, token, ofTeam = 0, network, agent }] of candidates.entries()) {
      const alive = token === undefined || token.state === 'active';
      const around: Surroundings = {
        tokensOfNetwork: 0, tokensOfCaller: 0, tokensOfAgent: 0, baited: false, ...spreads[i], network, agent, tokensOfTeam: ofTeam, retired: alive,
        unusedDays: token && isFirstUse(features) ? (features.now - token.issued_at.getTime() / 1000) / 86_400 : 0,
      };
      around.geo = isNew(features.networkAge) ? await this.geoFacts(tx, observed.tokenId, network, features) : undefined;
      const findings = detect(features, around);
      const [verdict] = permitted(findings, bounds, token);
      const observedAt = new Date(features.now * 1000);
      if (verdict) await this.alerts.raise(tx, { tokenId: observed.tokenId, token, verdict, evidence: { features, around, findings }, observedAt });
      if (token && isDeploy(around)) deploys.set(`${token.team} ${agent}`, [token.team, agent, observedAt]);
    }
    for (const deploy of deploys.values()) await this.alerts.explain(tx, ...deploy);
  }

  /** Only asked where a network is new: known ones have been where they are. */
  private async geoFacts(tx: Tx<'monitor'>, tokenId: string, network: string, { now, networkAge }: Features): Promise<GeoFacts | undefined> {
    const here = this.places.known ? this.places.of(network) : undefined;
    if (!here) return undefined;
    const before = await networksBefore(tx.db, tokenId, network, new Date((now - networkAge) * 1000));
    return geoFactsOf(here, before.flatMap(({ value, last_at }) => {
      const place = this.places.of(value);
      return place ? [{ place, lastAt: last_at.getTime() / 1000 }] : [];
    }), now);
  }
}

/** The newest network and agent in the verifiers' own words; of a dead secret's uses, where they came from. */
function namesOf({ observations }: Observed, features: Features): { network: string; agent: string } {
  const named = observations.find(({ network, agent }) => networkHash(network) === features.network && (features.agent === '' || shortHash(agent) === features.agent))
    ?? observations.find(({ network }) => networkHash(network) === features.network) ?? observations.find(({ use }) => use === 'x') ?? observations[0];
  return { network: named?.network ?? '', agent: named?.agent ?? '' };
}
