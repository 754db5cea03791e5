import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { makeId, type MisuseAction, type TokenId, type UsageRecord, type UsageView } from '@writ/contracts';
import { startService, type Service } from '@writ/service';
import { TestBench, until } from '@writ/testing';
import { MonitorConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { MonitorModule } from '../src/monitor.module.js';
import { NarrowJob } from '../src/usage/narrow.job.js';
import { mmdb } from './mmdb.js';

/**
 * Traces that people complained about to others, each named by the complaint, beside some of thefts. Three weeks each,
 * then the day itself.
 */
const places = {
  '198.51.100.0/24': { country: { iso_code: 'NZ' }, continent: { code: 'OC' }, location: { latitude: -41.3, longitude: 174.8 } },
  // A carrier and a proxy that let their users out on the other side of the world.
  '100.64.0.0/16': { country: { iso_code: 'NZ' }, continent: { code: 'OC' }, location: { latitude: -36.8, longitude: 174.7 } },
  '100.65.0.0/16': { country: { iso_code: 'US' }, continent: { code: 'NA' }, location: { latitude: 40.7, longitude: -74.1 } },
  '100.66.0.0/16': { country: { iso_code: 'DE' }, continent: { code: 'EU' }, location: { latitude: 50.1, longitude: 8.7 } },
  '192.0.2.0/24': { country: { iso_code: 'US' }, continent: { code: 'NA' }, location: { latitude: 37.4, longitude: -122.1 } },
  '203.0.113.0/24': { country: { iso_code: 'BR' }, continent: { code: 'SA' }, location: { latitude: -23.5, longitude: -46.6 } },
};
let bench: TestBench;
let service: Service;

beforeAll(async () => {
  bench = await TestBench.create();
  writeFileSync(`${bench.dir}/places.mmdb`, mmdb(places));
  service = await startService({ name: 'monitor', module: MonitorModule, config: MonitorConfig, env: await bench.env('monitor', migrations, { WRIT_GEOIP_PATHS: `${bench.dir}/places.mmdb` }) });
  await bench.sayResponse(1, [{ id: 'stop', reason: 'thieves', most: 'suspend' }]);
  await until(async () => (await bench.database('monitor').query('SELECT 1 FROM response')).length === 1, 'the response rules to be known');
});
afterAll(async () => {
  await service?.close();
  await bench?.drop();
});

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const end = Math.floor(Date.now() / hour) * hour;
type Use = Partial<UsageRecord> & { at: number };

async function issue(team: string, scopes = ['orders:read'], issuedDaysAgo = 22): Promise<TokenId> {
  const tokenId = makeId('tok', Date.now(), randomBytes(10));
  await bench.bus.say('issuer', 'token.issued', {
    tokenId, requestId: makeId('req', Date.now(), randomBytes(10)), owner: { id: `svc:${team}`, team }, claimant: { iss: 'https://id.example', sub: 'x' }, resource: 'orders', audience: 'orders',
    scopes, environment: 'prod', issuedAt: new Date(end - issuedDaysAgo * day).toISOString(), expiresAt: new Date(end + 30 * day).toISOString(), delivery: { mode: 'claim' },
  }, { aggregateversion: 1 });
  await until(async () => (await bench.database('monitor').query('SELECT 1 FROM token WHERE token_id = $1', [tokenId])).length === 1, 'the token to be known');
  return tokenId;
}

async function replay(uses: [TokenId, Use][]): Promise<void> {
  const records = uses.sort(([, a], [, b]) => a.at - b.at).map(([tokenId, { at, ...more }]) => ({
    tokenId, generation: 1, code: 'VALID', gateway: 'gw', network: '198.51.100.0/24', agent: 'app', scopes: ['orders:read'], count: 5, firstAt: new Date(at).toISOString(), lastAt: new Date(at).toISOString(), ...more,
  }));
  for (let i = 0; i < records.length; i += 1_000) {
    const id = await bench.bus.say('issuer', 'usage.recorded', { verifierId: 'v', watermark: new Date(end).toISOString(), records: records.slice(i, i + 1_000) });
    await until(async () => (await bench.database('monitor').query('SELECT 1 FROM inbox WHERE message_id = $1', [id])).length === 1, 'the uses to be judged', 30_000);
  }
}

/** Every ten minutes of working hours for three weeks. */
const weeks = (use: (at: number, i: number) => Partial<UsageRecord>): Use[] =>
  Array.from({ length: 21 * 30 }, (_, i) => {
    const at = end - 22 * day + Math.floor(i / 30) * day + 9 * hour + (i % 30) * 20 * minute;
    return { at, ...use(at, i) };
  });
const burst = (from: number, minutes: number, use: (i: number) => Partial<UsageRecord>): Use[] => Array.from({ length: minutes }, (_, i) => ({ at: from + i * minute, ...use(i) }));
const of = (tokenId: TokenId, uses: Use[]): [TokenId, Use][] => uses.map((use) => [tokenId, use]);
const actionsOf = async (tokenId: TokenId): Promise<MisuseAction[]> => (await bench.database('monitor').query<{ action: MisuseAction }>('SELECT DISTINCT action FROM alert WHERE token_id = $1 ORDER BY action', [tokenId])).map(({ action }) => action);
const today = end - 2 * hour;
const detectorsOf = async (tokenId: TokenId): Promise<string[]> => (await bench.database('monitor').query<{ detector: string }>('SELECT DISTINCT detector FROM alert WHERE token_id = $1 ORDER BY 1', [tokenId])).map(({ detector }) => detector);
async function usageOf(tokenId: TokenId): Promise<UsageView> {
  const answer = await fetch(`${service.url}/v1/usage/${tokenId}?span=day`, { headers: { authorization: `Bearer ${await bench.identity.token({ sub: 'a', groups: ['auditors'] })}` } });
  return (await answer.json()) as UsageView;
}

describe('a replayed trace', () => {
  it('of AirQo PR 6741 and 6753, a crawler whose agents change and that follows pages in bursts: neither stopped nor reported', async () => {
    const token = await issue('crawler');
    await replay(of(token, [...weeks((_, i) => ({ agent: `bot-${i % 37}`, count: i % 11 === 0 ? 90 : 4 })), ...burst(today, 20, (i) => ({ agent: `bot-${40 + i}`, count: 120 }))]));
    expect(await actionsOf(token)).not.toContain('suspend');
    expect(await actionsOf(token)).not.toContain('notify');
  });

  it('of fusionauth#3014, a phone on mobile networks and a proxy’s egress an ocean away: neither stopped nor reported', async () => {
    const token = await issue('mobile');
    const cell = (i: number) => `100.${64 + (i % 3)}.${(i * 37) % 256}.0/24`;
    await replay(of(token, [...weeks((_, i) => ({ network: cell(i), agent: 'phone' })), ...burst(today, 30, (i) => ({ network: i % 2 ? '203.0.113.0/24' : cell(i * 7), agent: 'phone', count: 3 }))]));
    expect(await actionsOf(token)).not.toContain('suspend');
    expect(await actionsOf(token)).not.toContain('notify');
  });

  it('of fusionauth#3014, an office that a proxy lets out in another country between two calls: no impossible journey', async () => {
    const token = await issue('proxy');
    await replay(of(token, [...weeks((_, i) => ({ network: i % 9 === 0 ? '192.0.2.0/24' : '198.51.100.0/24', agent: 'desk' })), ...burst(today, 30, (i) => ({ network: i % 2 ? '203.0.113.0/24' : '198.51.100.0/24', agent: 'desk', count: 3 }))]));
    expect(await detectorsOf(token)).not.toContain('impossible-travel');
    expect(await actionsOf(token)).not.toContain('suspend');
  });

  it('of a thief an ocean away, minutes after its owner and as modest as he: an impossible journey', async () => {
    const token = await issue('abroad');
    await replay(of(token, [...weeks(() => ({})), ...burst(today, 10, () => ({})), ...burst(today + 11 * minute, 5, () => ({ network: '203.0.113.0/24', agent: 'curl', count: 2 }))]));
    expect(await detectorsOf(token)).toContain('impossible-travel');
    expect(await actionsOf(token)).toContain('suspend');
  });

  it('of consul#7181, a token that somebody may still need: its last use is known to the minute, long after', async () => {
    const [used, never] = [await issue('rarely'), await issue('never')];
    await replay(of(used, [{ at: end - 12 * day - 7 * minute, count: 3 }]));
    expect((await usageOf(used)).lastUsedAt).toBe(new Date(end - 12 * day - 7 * minute).toISOString());
    expect((await usageOf(never)).lastUsedAt).toBeUndefined();
  });

  it('of vault#2301, a token of which nobody knows what it is for: who uses it, from where, through what and for which scopes', async () => {
    const token = await issue('purpose', ['orders:read', 'orders:write']);
    await replay(of(token, weeks((_, i) => ({ agent: i % 2 ? 'export' : 'report', scopes: ['orders:read'] }))));
    const view = await usageOf(token);
    expect(view.agents.map(({ value }) => value).sort()).toEqual(['export', 'report']);
    expect([view.networks.map(({ value }) => value), view.gateways.map(({ value }) => value)]).toEqual([['198.51.100.0/24'], ['gw']]);
    expect(view.scopes.used.map(({ value }) => value)).toEqual(['orders:read']);
    expect(view.buckets.reduce((sum, { calls }) => sum + calls, 0)).toBe(21 * 30 * 5);
  });

  it('of argo-cd#8981, a token with more scopes than it needs: those are named, and a smaller one is proposed', async () => {
    const scopes = Array.from({ length: 11 }, (_, i) => `orders:s${i}`);
    const token = await issue('wide', scopes, 40);
    const tap = await bench.bus.tap();
    await replay(of(token, weeks((_, i) => ({ scopes: [`orders:s${i % 3}`] }))));
    expect((await usageOf(token)).scopes).toMatchObject({ unused: scopes.slice(3), words: 'uses 3 of 11 scopes' });
    await service.app.get(NarrowJob).propose();
    expect((await tap.next('narrowing.proposed', (d) => d.tokenId === token)).envelope.data).toMatchObject({ keep: scopes.slice(0, 3), drop: scopes.slice(3).sort() });
  });

  it('of a month’s end, thirty times the usual: its owner hears of it, and it goes on', async () => {
    const token = await issue('month-end');
    await replay(of(token, [...weeks(() => ({ count: 10 })), ...burst(today, 60, (i) => ({ count: 250 + i }))]));
    expect(await actionsOf(token)).not.toContain('suspend');
  });

  it('of a deploy that gives every token of a team a new agent: neither stopped nor reported', async () => {
    const tokens = await Promise.all(Array.from({ length: 6 }, () => issue('deploy')));
    await replay(tokens.flatMap((token, n) => of(token, [...weeks(() => ({ agent: 'app-1' })), ...burst(today + n * minute, 30, () => ({ agent: 'app-2' }))])));
    for (const token of tokens) expect(await actionsOf(token)).toEqual([]);
  });

  it('of a team that moves to another cluster and renews its client, while most of its tokens lie about: noted, not reported', async () => {
    const tokens = await Promise.all(Array.from({ length: 14 }, () => issue('cluster')));
    const used = tokens.slice(0, 6);
    await replay(used.flatMap((token) => of(token, weeks(() => ({ agent: 'app-1' })))));
    await replay(used.flatMap((token) => of(token, burst(today, 30, () => ({ agent: 'app-2', network: '172.20.0.0/24' })))));
    for (const token of used) expect(await actionsOf(token)).toEqual(['note']);
  });

  it('of a deploy that comes to one token after the other: what was said of the first ones is taken back', async () => {
    const tokens = await Promise.all(Array.from({ length: 4 }, () => issue('rolling')));
    const stranger = await issue('rolling');
    await replay([...tokens, stranger].flatMap((token) => of(token, weeks(() => ({ agent: 'app-1' })))));
    await replay(of(stranger, [{ at: today, network: '203.0.113.0/24', agent: 'curl' }]));
    for (const [n, token] of tokens.entries()) await replay(of(token, [{ at: today + n * minute, network: '172.20.0.0/24', agent: 'app-2' }]));
    const notified = (ids: TokenId[]) => bench.database('monitor').query(`SELECT detector, state, reason IS NOT NULL explained FROM alert WHERE token_id = ANY($1) AND action = 'notify'`, [ids]);
    expect(await notified(tokens)).toEqual(Array(2).fill({ detector: 'new-caller', state: 'closed', explained: true }));
    expect(await notified([stranger])).toMatchObject([{ state: 'open' }]);
    expect(await bench.database('monitor').query(`SELECT open_incidents FROM trust WHERE team = 'rolling'`)).toEqual([{ open_incidents: 1 }]);
  });

  it('of a theft: stopped', async () => {
    const token = await issue('theft');
    await replay(of(token, [...weeks(() => ({})), ...burst(today, 5, () => ({ network: '203.0.113.0/24', agent: 'curl', count: 600 }))]));
    expect(await actionsOf(token)).toContain('suspend');
  });
});
