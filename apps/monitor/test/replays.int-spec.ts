import { randomBytes } from 'node:crypto';
import { makeId, type MisuseAction, type TokenId, type UsageRecord } from '@writ/contracts';
import { startService, type Service } from '@writ/service';
import { TestBench, until } from '@writ/testing';
import { MonitorConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { MonitorModule } from '../src/monitor.module.js';

/** Traces that other detectors stopped honest people for, beside one of a theft. Three weeks each, then the day itself. */
let bench: TestBench;
let service: Service;

beforeAll(async () => {
  bench = await TestBench.create();
  service = await startService({ name: 'monitor', module: MonitorModule, config: MonitorConfig, env: await bench.env('monitor', migrations) });
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

async function issue(team: string): Promise<TokenId> {
  const tokenId = makeId('tok', Date.now(), randomBytes(10));
  await bench.bus.say('issuer', 'token.issued', {
    tokenId, requestId: makeId('req', Date.now(), randomBytes(10)), owner: { id: `svc:${team}`, team }, claimant: { iss: 'https://id.example', sub: 'x' }, resource: 'orders', audience: 'orders',
    scopes: ['orders:read'], environment: 'prod', issuedAt: new Date(end - 22 * day).toISOString(), expiresAt: new Date(end + 30 * day).toISOString(), delivery: { mode: 'claim' },
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

describe('a replayed trace', () => {
  it('of a crawler whose agents change and that follows pages in bursts: neither stopped nor reported', async () => {
    const token = await issue('crawler');
    await replay(of(token, [...weeks((_, i) => ({ agent: `bot-${i % 37}`, count: i % 11 === 0 ? 90 : 4 })), ...burst(today, 20, (i) => ({ agent: `bot-${40 + i}`, count: 120 }))]));
    expect(await actionsOf(token)).not.toContain('suspend');
    expect(await actionsOf(token)).not.toContain('notify');
  });

  it('of a phone on mobile networks and a proxy’s egress: neither stopped nor reported', async () => {
    const token = await issue('mobile');
    const cell = (i: number) => `100.${64 + (i % 3)}.${(i * 37) % 256}.0/24`;
    await replay(of(token, [...weeks((_, i) => ({ network: cell(i), agent: 'phone' })), ...burst(today, 30, (i) => ({ network: i % 2 ? '203.0.113.0/24' : cell(i * 7), agent: 'phone', count: 3 }))]));
    expect(await actionsOf(token)).not.toContain('suspend');
    expect(await actionsOf(token)).not.toContain('notify');
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

  it('of a theft: stopped', async () => {
    const token = await issue('theft');
    await replay(of(token, [...weeks(() => ({})), ...burst(today, 5, () => ({ network: '203.0.113.0/24', agent: 'curl', count: 600 }))]));
    expect(await actionsOf(token)).toContain('suspend');
  });
});
