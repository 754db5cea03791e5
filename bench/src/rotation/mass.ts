import { setTimeout as sleep } from 'node:timers/promises';
import type { CampaignAnswer, ServiceName } from '@writ/contracts';
import { Meter, type Cost } from '../process-cost.js';
import type { BenchOptions, Row } from '../row.js';
import { Fleet } from './fleet.js';
import { Probe } from './probe.js';

const calmMs = 5_000;
const pollMs = 500;

/**
 * Events that concern every token at once, on the whole platform: an emergency rotation of the fleet, to the last leaf, and
 * tokens that all expire in one second. First how fast they are worked off, then whether those who verify meanwhile notice.
 */
export async function mass({ quick, say }: BenchOptions): Promise<Row[]> {
  const tokens = Number(process.env.WRIT_BENCH_FLEET ?? (quick ? 2_000 : 10_000));
  const expiries = Number(process.env.WRIT_BENCH_EXPIRIES ?? (quick ? 10_000 : 100_000));
  const rates = await withFleet(tokens, [], say, async (fleet) => [await rotateAll(fleet, say), await expireAll(fleet, expiries, say)]);
  return [...rates, ...await withFleet(tokens, ['issuer'], say, (fleet) => besides(fleet, expiries, say))];
}

async function withFleet(tokens: number, answering: string[], say: BenchOptions['say'], work: (fleet: Fleet) => Promise<Row[]>): Promise<Row[]> {
  const fleet = await Fleet.start(tokens, say, answering);
  return work(fleet).finally(() => fleet.stop());
}

async function besides(fleet: Fleet, expiries: number, say: BenchOptions['say']): Promise<Row[]> {
  const probe = await Probe.start(fleet);
  try {
    await sleep(calmMs);
    probe.take();
    await sleep(calmMs);
    const calm = verified('nothing else going on', 'limit', probe);
    await rotateAll(fleet, say);
    const rotation = verified('beside a fleet-wide rotation', 'ours', probe);
    await expireAll(fleet, expiries, say, () => probe.take());
    return [...calm, ...rotation, ...verified('beside mass expiry', 'ours', probe)];
  } finally {
    await probe.stop();
  }
}

function verified(when: string, kind: Row['kind'], probe: Probe): Row[] {
  const { http, answers, process } = probe.take();
  const row = (how: string, taken: Pick<Row, 'perSecond' | 'p50Ms' | 'p99Ms'>): Row => ({ bench: 'rotation', name: `verify${how}, ${when}`, kind, ...taken });
  return [row('', http), row(' at a replica that only answers', answers), row(' in process', process)];
}

/** Due, new secret minted and sealed, old one dead, everybody told, all of it in the log. */
async function rotateAll(fleet: Fleet, say: BenchOptions['say']): Promise<Row> {
  const count = await fleet.count('rotation', `SELECT count(*) AS n FROM token WHERE secret_since IS NOT NULL AND owner->>'id' = 'svc:bench-fleet'`);
  const leavesBefore = await fleet.leaves('token.rotated');
  say(`emergency rotation of ${count} tokens`);
  const meter = new Meter(fleet.platform.pids);
  const startedAt = Date.now();
  const { campaignId } = await fleet.call<CampaignAnswer>('rotation', 'admin', 'POST', '/v1/campaigns', { cause: 'emergency', reason: 'measured', owner: 'svc:bench-fleet' });
  let shownAt = 0;
  await fleet.until('all to be rotated', async () => {
    const { rotations, spreadAt } = await fleet.call<CampaignAnswer>('rotation', 'admin', 'GET', `/v1/campaigns/${campaignId}`);
    if (performance.now() - shownAt > 2_000) say(`  ${JSON.stringify(rotations)}`);
    if (performance.now() - shownAt > 2_000) shownAt = performance.now();
    return spreadAt !== undefined && (rotations.completed ?? 0) >= count;
  }, pollMs);
  await fleet.until('the last leaf', async () => (await fleet.leaves('token.rotated')) >= leavesBefore + count);
  const seconds = ((await fleet.lastLeafMs('token.rotated')) - startedAt) / 1_000;
  const costs = costsOf(meter, count, 'a rotation', say);
  const cpuUsPerOp = ['rotation', 'issuer', 'audit'].reduce((sum, name) => sum + (costs.get(name)?.cpuUs ?? 0), 0) / count;
  return { bench: 'rotation', name: 'rotate, whole way', kind: 'ours', perSecond: count / seconds, cpuUsPerOp, note: 'order, new sealed secret, old one dead, leaves; CPU of rotation, issuer and audit' };
}

function costsOf(meter: Meter, count: number, each: string, say: BenchOptions['say']): Map<string, Cost> {
  const costs = meter.read();
  for (const [name, { cpuUs, rssMb }] of costs) say(`  ${name.padEnd(10)} ${Math.round(cpuUs / count).toString().padStart(5)} µs of CPU ${each}, ${Math.round(rssMb).toString().padStart(4)} MB`);
  return costs;
}

/** Copies one token so often in every service's database, as if nothing had been said of it yet; they all end at the same moment. */
async function expireAll(fleet: Fleet, count: number, say: BenchOptions['say'], begun: () => unknown = () => undefined): Promise<Row> {
  say(`${count} tokens that expire in one second`);
  const endsAt = new Date(Date.now() + 20_000 + count / 8).toISOString();
  const ends = { expires_at: `'${endsAt}'` };
  await Promise.all([
    copy(fleet, 'issuer', 'token', count, { ...ends, request_id: requestIdSql, ends_at: `'${endsAt}'`, version: '0' }),
    copy(fleet, 'rotation', 'token', count, { ...ends, notice_at: 'NULL', rotate_at: 'NULL' }),
    copy(fleet, 'monitor', 'token', count, ends),
    copy(fleet, 'request', 'request', count, { request_id: requestIdSql, submission_key: `'copy/' || n`, submission_id: `'copy-' || n` }),
  ]);
  await fleet.platform.analyze();
  const lateMs = Date.now() - Date.parse(endsAt);
  say(`  ready ${Math.round(-lateMs / 1_000)} s before that`);
  if (lateMs > 0) throw new Error(`The copies were ready ${lateMs} ms too late.`);
  await sleep(-lateMs);
  begun();
  const meter = new Meter(fleet.platform.pids);
  const startedAt = Date.now();
  const sizeBefore = await fleet.logSize();
  let shownAt = 0;
  await fleet.until('the last expiry to be in the log', async () => {
    const grown = (await fleet.logSize()) - sizeBefore;
    if (performance.now() - shownAt > 10_000) {
      shownAt = performance.now();
      say(`  the log grew by ${grown}`);
    }
    return grown >= count && (await fleet.leaves('token.expired')) >= count;
  }, pollMs);
  const seconds = ((await fleet.lastLeafMs('token.expired')) - startedAt) / 1_000;
  costsOf(meter, count, 'an expiry', say);
  say(`  the last leaf after ${seconds.toFixed(1)} s`);
  return { bench: 'rotation', name: 'mass expiry', kind: 'ours', perSecond: count / seconds, note: `${count.toLocaleString('en')} in one second, to the last leaf` };
}

const tokenIdSql = `'tok_' || lpad((900000000 + n)::text, 26, '0')`;
const requestIdSql = `'req_' || lpad((900000000 + n)::text, 26, '0')`;

/** Copies one row of a table, with other values in some columns. */
async function copy(fleet: Fleet, service: ServiceName, table: string, count: number, changed: Record<string, string>): Promise<void> {
  const columns = (await fleet.sql<{ name: string }>(service, `SELECT column_name AS name FROM information_schema.columns WHERE table_name = $1 AND is_generated = 'NEVER'`, [table])).map(({ name }) => name);
  const values: Record<string, string> = { token_id: tokenIdSql, ...changed };
  await fleet.sql(service, `INSERT INTO ${table} (${columns.join()}) SELECT ${columns.map((name) => values[name] ?? `t.${name}`).join()}
    FROM (SELECT * FROM ${table} LIMIT 1) t, generate_series(1, ${count}) n`);
}
