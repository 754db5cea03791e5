import { randomBytes } from 'node:crypto';
import { innerDigestLatin1, mint } from '@writ/token';
import type { TestBench } from '@writ/testing';
import { Meter } from '../process-cost.js';
import type { BenchOptions, Row } from '../row.js';
import { BenchIssuer, issuerProgram } from './issuer-process.js';
import { load, post } from './load.js';

/** So many tokens are real and asked for; the others only make tables and indices as deep as they would be. */
const asked = 5_000;
const askedPerSecond = 500;
const chunk = 20_000;

interface IssuerParts {
  loadKeys(dir: string): Keys;
  sealOf(keys: Keys, token: object, kid: string, secret?: object): Promise<Buffer>;
  Memory: new (capacity: number) => { put(digest: string, token: object, asOf: number): void; size: number };
}
interface Keys {
  mac(kind: string, bytes: Uint8Array, kid?: string): Promise<Buffer>;
  keys(kind: string): { current: string };
}

async function issuerParts(): Promise<IssuerParts> {
  const files = await Promise.all(['keys.store.js', 'token.row.js', 'memory.js'].map((file) => import(issuerProgram(file).href) as Promise<Partial<IssuerParts>>));
  return Object.assign({}, ...files) as IssuerParts;
}

/** What a verification that memory cannot answer costs among so many live tokens: each read is one by primary keys. */
export async function atScale({ quick, say }: BenchOptions): Promise<Row[]> {
  const sizes = quick ? [1_000, 100_000] : [1_000, 1_000_000, ...(process.env.WRIT_BENCH_TOKENS ? [Number(process.env.WRIT_BENCH_TOKENS)] : [])];
  const rows: Row[] = [];
  for (const size of sizes) {
    say(`scale: ${size.toLocaleString('en')} live tokens`);
    let secrets: string[] = [];
    const issuer = await BenchIssuer.start(async () => ({ WRIT_CACHE_TOKENS: '1' }), async (bench, env) => {
      secrets = await fill(bench, env, size);
    });
    try {
      rows.push(await misses(issuer, secrets, size, quick ? 4 : 10));
    } finally {
      await issuer.stop();
    }
  }
  return [...rows, await memoryOf(quick ? 100_000 : 1_000_000, say)];
}

async function misses(issuer: BenchIssuer, secrets: readonly string[], size: number, seconds: number): Promise<Row> {
  const headers = { 'content-type': 'application/json', authorization: issuer.basic };
  const requests = secrets.map((token) => post('/v1/tokens/verify', JSON.stringify({ token }), headers));
  const facts = { host: '127.0.0.1', port: Number(new URL(issuer.url).port), requests, connections: 8, status: '200', holds: '"code":"VALID"', rate: askedPerSecond };
  await load({ ...facts, seconds: 2 });
  const meter = new Meter(new Map([['issuer', issuer.pid]]));
  const { perSecond, p50Ms, p99Ms, count } = await load({ ...facts, seconds });
  const cost = meter.read().get('issuer');
  return { bench: 'verify', name: `verify past memory, ${size.toLocaleString('en')} tokens`, kind: 'ours', perSecond, p50Ms, p99Ms, cpuUsPerOp: (cost?.cpuUs ?? 0) / count, rssMb: cost?.rssMb, note: `read from PostgreSQL, at ${askedPerSecond}/s` };
}

/** Memory of an issuer's replica by itself: nothing of it lies in Redis, which carries hints only. */
async function memoryOf(count: number, say: (line: string) => void): Promise<Row> {
  say(`memory of ${count.toLocaleString('en')} tokens`);
  const { Memory } = await issuerParts();
  const before = process.memoryUsage();
  const memory = new Memory(count);
  for (let i = 0; i < count; i++) {
    const token = { state: 'VALID', tokenId: `tok_${String(i).padStart(26, '0')}`, owner: `svc:${i % 1_000}`, generation: 1, audience: 'orders', environment: 'prod', scopes: ['orders:read', 'orders:write'], expiresAtMs: 1.9e12 };
    memory.put(randomBytes(32).toString('latin1'), token, 1);
  }
  const after = process.memoryUsage();
  return { bench: 'verify', name: `issuer memory, ${memory.size.toLocaleString('en')} tokens`, kind: 'ours', perSecond: 0, rssMb: (after.rss - before.rss) / 1_048_576, note: 'grown by; WRIT_CACHE_TOKENS bounds it, 100,000 by default' };
}

/** Fills an issuer's empty database. @returns the secrets of the real tokens */
async function fill(bench: TestBench, env: NodeJS.ProcessEnv, size: number): Promise<string[]> {
  const { loadKeys, sealOf } = await issuerParts();
  const keys = loadKeys(env.WRIT_KEYS_DIR as string);
  const database = bench.database('issuer');
  const real = Math.min(size, asked);
  const secrets: string[] = [];
  const { chainBytes } = await import('@writ/token');
  let chain: Buffer = Buffer.alloc(32);
  const at = new Date().toISOString();
  const [kid, stateKid] = [keys.keys('row').current, keys.keys('state').current];
  const expires = new Date(Date.now() + 30 * 86_400_000);
  const hex = (bytes: Buffer) => `\\x${bytes.toString('hex')}`;
  for (let from = 0; from < size; from += chunk) {
    const tokens: object[] = [];
    const minted: object[] = [];
    const entries: object[] = [];
    for (let seq = from + 1; seq <= Math.min(size, from + chunk); seq++) {
      // The real ones are spread evenly over all.
      const isReal = Math.floor((seq * real) / size) > Math.floor(((seq - 1) * real) / size);
      const id = String(seq).padStart(26, '0');
      const facts = {
        token_id: `tok_${id}`, request_id: `req_${id}`, request_digest: 'sha256:0', owner_id: `svc:${seq % 1_000}`, claimant_iss: 'x', claimant_sub: 'alice', audience: 'orders',
        scopes: ['orders:read'], environment: 'prod', expires_at: expires, issue_seq: String(seq), networks: null, rate_per_minute: null,
      };
      const secret = mint('prod', randomBytes(32)).reveal();
      if (isReal) secrets.push(secret);
      const secretFacts = { verifier: isReal ? await keys.mac('pepper', Buffer.from(innerDigestLatin1(secret), 'latin1')) : randomBytes(32), generation: 1, minted_seq: '0' };
      const [mac, secretMac] = isReal ? [await sealOf(keys, facts, kid), await sealOf(keys, facts, kid, secretFacts)] : [Buffer.alloc(32), Buffer.alloc(32)];
      tokens.push({ ...facts, state: 'active', version: 1, owner_team: 'orders', resource: 'orders', delivery: { mode: 'claim' }, issued_at: at, claimed_at: at, ends_at: expires, generation: 1, mac: hex(mac), mac_kid: kid });
      minted.push({ ...secretFacts, verifier: hex(secretFacts.verifier), pepper_kid: '1', token_id: facts.token_id, minted_at: at, mac: hex(secretMac), mac_kid: kid });
      const entry = { seq, kind: 'issue' as const, at, reasonCode: 'approved', tokenId: facts.token_id, ownerId: facts.owner_id, requestId: facts.request_id };
      chain = await keys.mac('state', chainBytes(chain, entry), stateKid);
      entries.push({ seq, kind: 'issue', at, reason_code: 'approved', token_id: facts.token_id, owner_id: facts.owner_id, request_id: facts.request_id, kid: stateKid, chain: hex(chain) });
    }
    for (const [table, list] of [['token', tokens], ['secret', minted], ['state_log', entries]] as const) {
      await database.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1::json)`, [JSON.stringify(list)]);
    }
  }
  await database.query('UPDATE state_head SET seq = $1, chain = $2', [size, chain]);
  await database.query('VACUUM ANALYZE');
  return secrets;
}
