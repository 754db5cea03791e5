import { deriveId, type TokenId } from '@writ/contracts';
import { until } from '@writ/testing';
import { beginsAt, days, scopes, slotMs, type Slot, type Use } from './generator.js';
import { Replica } from './replica.js';

/** A token of some traffic, honest or stolen. */
export interface Watched {
  index: number;
  team: string;
  owner: string;
  kind: string;
  family?: string;
  stolenAt?: number;
}

/** What one watcher said of one token: when, and how strongly. */
export interface Verdict {
  subject: number;
  at: number;
  action: 'note' | 'notify' | 'suspend' | 'revoke';
  detector: string;
}

export interface Outcome {
  family: string;
  kind: string;
  found: boolean;
  suspended: boolean;
  /** From the first stolen use to the first word. */
  minutes?: number;
}

export interface Judged {
  honestDays: number;
  notifications: number;
  suspensions: number;
  outcomes: Outcome[];
  /** False words by who said them about whom. */
  falseBy: Map<string, number>;
}

const dayMs = 86_400_000;
/** A word counts for the theft when it comes within so long after its beginning. */
const attentionMs = 2 * dayMs;
const window = 100;

/** Holds what was said against what was true. Once per token, detector, action and day, as an owner would be told. */
export function judge(subjects: readonly Watched[], verdicts: readonly Verdict[]): Judged {
  const result: Judged = { honestDays: 0, notifications: 0, suspensions: 0, outcomes: [], falseBy: new Map() };
  const bySubject = Map.groupBy(verdicts, ({ subject }) => subject);
  for (const subject of subjects) {
    const stolenMs = subject.stolenAt === undefined ? Infinity : beginsAt + subject.stolenAt * slotMs;
    const loud = (bySubject.get(subject.index) ?? []).filter(({ action }) => action !== 'note').sort((a, b) => a.at - b.at);
    if (subject.family !== 'honeytoken') result.honestDays += (Math.min(stolenMs, beginsAt + days * dayMs) - beginsAt) / dayMs;
    for (const { action, detector } of loud.filter(({ at }) => at < stolenMs)) {
      result[action === 'notify' ? 'notifications' : 'suspensions'] += 1;
      const name = `${detector} ${action} on ${subject.kind}`;
      result.falseBy.set(name, (result.falseBy.get(name) ?? 0) + 1);
    }
    if (!subject.family) continue;
    const hits = loud.filter(({ at }) => at >= stolenMs && at < stolenMs + attentionMs);
    result.outcomes.push({
      family: subject.family, kind: subject.kind, found: hits.length > 0, suspended: hits.some(({ action }) => action !== 'notify'),
      minutes: hits[0] && Math.round((hits[0].at - stolenMs) / 60_000),
    });
  }
  return result;
}

/** Sends four weeks of traffic through a monitor as it is deployed. */
export async function watch(seed: number, { subjects, slots }: { subjects: readonly Watched[]; slots: () => Generator<Slot> }, say: (line: string) => void): Promise<{ verdicts: Verdict[]; records: number; seconds: number }> {
  const replica = await Replica.create();
  try {
    await replica.start();
    await replica.letStop();
    const ids = subjects.map(({ index }) => deriveId('tok', beginsAt, String(seed), String(index), String(process.pid), String(Date.now())));
    await introduce(replica, subjects, ids);
    const startedAt = Date.now();
    let records = 0;
    const sending: Promise<void>[] = [];
    for (const { at, uses, changes } of slots()) {
      for (const { subject, change } of changes) await announce(replica, ids[subject] as TokenId, change, at);
      if (uses.length > 0) sending.push(report(replica, ids, uses, at));
      records += uses.length;
      // One channel keeps the order; so many confirms may be outstanding.
      if (sending.length >= window) await Promise.all(sending.splice(0));
    }
    await Promise.all(sending);
    const sent = uses(records);
    say(`seed ${seed}: ${sent} of ${subjects.length} tokens in four weeks`);
    await until(async () => Number((await replica.query<{ n: string }>(`SELECT count(*) n FROM inbox_waiting`))[0]?.n) === 0 && (await replica.bench.bus.depth('writ.monitor')) === 0, 'the monitor to catch up', 600_000);
    await until(async () => {
      const before = await state(replica);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      return before === (await state(replica));
    }, 'the monitor to come to rest', 120_000);
    const rows = await replica.query<{ token_id: string; action: Verdict['action']; detector: string; observed_at: Date }>('SELECT token_id, action, detector, observed_at FROM alert');
    const indexOf = new Map(ids.map((id, index) => [id as string, index]));
    const verdicts = rows.map((row) => ({ subject: indexOf.get(row.token_id) ?? -1, at: row.observed_at.getTime(), action: row.action, detector: row.detector }));
    return { verdicts, records, seconds: (Date.now() - startedAt) / 1000 };
  } finally {
    await replica.close();
  }
}

const uses = (count: number) => `${count.toLocaleString('en')} records`;
const state = async (replica: Replica) => JSON.stringify(await replica.query('SELECT (SELECT count(*) FROM inbox) i, (SELECT count(*) FROM alert) a'));

async function introduce(replica: Replica, subjects: readonly Watched[], ids: readonly TokenId[]): Promise<void> {
  const expiresAt = new Date(Date.now() + 365 * dayMs).toISOString();
  // Runs of one seed share networks; teams of their own keep them from being each other's company.
  await Promise.all(subjects.map(({ index, owner, team }) => replica.bench.bus.say('issuer', 'token.issued', {
    tokenId: ids[index] as TokenId, requestId: deriveId('req', beginsAt, String(index)), owner: { id: owner, team: `${team}-${process.pid}` }, claimant: { iss: 'https://id.example', sub: owner }, resource: 'orders',
    audience: 'orders', scopes, environment: 'prod', issuedAt: new Date(beginsAt).toISOString(), expiresAt, delivery: { mode: 'claim' },
  }, { aggregateversion: 1 })));
  await until(async () => Number((await replica.query<{ n: string }>('SELECT count(*) n FROM token'))[0]?.n) === subjects.length, 'the tokens to be known', 60_000);
  const admin = await replica.bench.identity.token({ sub: 'bench', groups: ['admins'] });
  for (const { index, family } of subjects) {
    if (family !== 'honeytoken') continue;
    const answer = await fetch(`${replica.url}/v1/honeytokens`, { method: 'POST', headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' }, body: JSON.stringify({ tokenId: ids[index] }) });
    if (answer.status !== 204) throw new Error(`A honeytoken could not be marked: ${answer.status} ${await answer.text()}`);
  }
}

async function announce(replica: Replica, tokenId: TokenId, change: 'retired' | 'revoked', at: number): Promise<void> {
  const envelope = { time: new Date(at).toISOString(), aggregateversion: 2 };
  if (change === 'retired') await replica.bench.bus.say('issuer', 'token.retired', { tokenId, generation: 1, code: 'replaced', seq: 1 }, envelope);
  else await replica.bench.bus.say('issuer', 'token.revoked', { tokenId, seq: 1, by: { kind: 'person' }, code: 'no-longer-needed' }, envelope);
}

async function report(replica: Replica, ids: readonly TokenId[], list: readonly Use[], at: number): Promise<void> {
  await replica.bench.bus.say('issuer', 'usage.recorded', {
    verifierId: 'bench', watermark: new Date(at).toISOString(),
    records: list.map((use) => ({
      tokenId: ids[use.subject], generation: use.generation, code: use.code, gateway: 'gw-bench', network: use.network, agent: use.agent,
      ...(use.scopes.length > 0 ? { scopes: use.scopes } : {}), ...(use.denied.length > 0 ? { denied: use.denied } : {}), count: use.count,
      firstAt: new Date(use.at).toISOString(), lastAt: new Date(use.at + 59_000).toISOString(),
    })),
  });
}
