import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { chainBytes, innerDigestLatin1, mint, type KeyProvider } from '@writ/token';
import type { TestBench } from '@writ/testing';
import { issuerProgram } from './issuer-process.js';

interface IssuerParts {
  loadKeys(dir: string): KeyProvider;
  sealOf(keys: KeyProvider, token: object, kid: string, secret: object): Promise<Buffer>;
}

/** So many tokens are real and asked for; the others only make tables and indices as deep as they would be. */
const asked = 5_000;
const chunk = 20_000;
const lifeMs = 30 * 86_400_000;

const idOf = (seq: number) => String(seq).padStart(26, '0');
const ownerOf = (seq: number) => `svc:${seq % 1_000}`;
const id = `lpad(seq::text, 26, '0')`;
const owner = `'svc:' || seq % 1000`;

/** Fills an issuer's empty database with living tokens. @returns the secrets of the real ones */
export async function fill(bench: TestBench, env: NodeJS.ProcessEnv, size: number): Promise<string[]> {
  const parts = await Promise.all(['keys.store.js', 'tokens/token.row.js'].map((file) => import(issuerProgram(file).href) as Promise<Partial<IssuerParts>>));
  const { loadKeys, sealOf } = Object.assign({}, ...parts) as IssuerParts;
  const keys = loadKeys(env.WRIT_KEYS_DIR as string);
  const { adminUrl } = bench.database('issuer');
  const at = new Date();
  const rebuild = await withoutIndices(adminUrl);
  await Promise.all([writeTokens(adminUrl, size, at, keys.keys('row').current), writeLog(adminUrl, size, at, keys)]);
  await rebuild();
  const secrets = await makeReal(adminUrl, size, at, keys, sealOf);
  // What filling left to be written is not to be written while verification is measured.
  await once(adminUrl, async (client) => {
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  });
  return secrets;
}

async function once<Result>(url: string, work: (client: pg.Client) => Promise<Result>): Promise<Result> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    // No foreign key is looked at: the rows are made for each other.
    await client.query(`SET session_replication_role = replica; SET maintenance_work_mem = '512MB'`);
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Rows of random keys are written faster into a table without indices. @returns what makes them again */
async function withoutIndices(url: string): Promise<() => Promise<void>> {
  return once(url, async (client) => {
    const { rows } = await client.query<{ name: string; definition: string }>(
      `SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition FROM pg_index i
       WHERE indrelid = ANY('{token,secret,state_log}'::regclass[]) AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)`,
    );
    for (const { name } of rows) await client.query(`DROP INDEX ${name}`);
    await client.query('ALTER TABLE secret DROP CONSTRAINT secret_pkey');
    return () => once(url, async (later) => {
      await later.query('ALTER TABLE secret ADD PRIMARY KEY (verifier)');
      for (const { definition } of rows) await later.query(definition);
    });
  });
}

async function writeTokens(url: string, size: number, at: Date, kid: string): Promise<void> {
  const expires = new Date(at.getTime() + lifeMs);
  await once(url, async (client) => {
    await client.query(
      `INSERT INTO token (token_id, request_id, request_digest, state, version, owner_id, owner_team, claimant_iss, claimant_sub, resource, audience, scopes, environment, delivery,
         issued_at, claimed_at, expires_at, ends_at, generation, issue_seq, mac, mac_kid)
       SELECT 'tok_' || ${id}, 'req_' || ${id}, 'sha256:0', 'active', 1, ${owner}, 'orders', 'x', 'alice', 'orders', 'orders', '{orders:read}', 'prod', '{"mode":"claim"}',
         $2, $2, $3, $3, 1, seq, decode(repeat('00', 32), 'hex'), $4 FROM generate_series(1, $1::int) seq`,
      [size, at, expires, kid],
    );
    await client.query(
      `INSERT INTO secret (verifier, pepper_kid, token_id, generation, minted_seq, mac, mac_kid)
       SELECT sha256(seq::text::bytea), '1', 'tok_' || ${id}, 1, 0, decode(repeat('00', 32), 'hex'), $2 FROM generate_series(1, $1::int) seq`,
      [size, kid],
    );
  });
}

/** The replicas check every link of the chain. */
async function writeLog(url: string, size: number, at: Date, keys: KeyProvider): Promise<void> {
  const kid = keys.keys('state').current;
  const said = at.toISOString();
  await once(url, async (client) => {
    let chain: Buffer = Buffer.alloc(32);
    let writing: Promise<unknown> = Promise.resolve();
    for (let from = 0; from < size; from += chunk) {
      const chains: Buffer[] = [];
      for (let seq = from + 1; seq <= Math.min(size, from + chunk); seq++) {
        const entry = { seq, kind: 'issue' as const, at: said, reasonCode: 'approved', tokenId: `tok_${idOf(seq)}`, ownerId: ownerOf(seq), requestId: `req_${idOf(seq)}` };
        chain = keys.macSync?.('state', chainBytes(chain, entry), kid) ?? (await keys.mac('state', chainBytes(chain, entry), kid));
        chains.push(chain);
      }
      await writing;
      writing = client.query(
        `INSERT INTO state_log (seq, kind, at, reason_code, token_id, owner_id, request_id, kid, chain)
         SELECT seq, 'issue', $2, 'approved', 'tok_' || ${id}, ${owner}, 'req_' || ${id}, $3, chain
         FROM unnest($4::bytea[]) WITH ORDINALITY AS c(chain, i), LATERAL (SELECT $1::int + i AS seq) s`,
        [from, said, kid, chains],
      );
    }
    await writing;
    await client.query('UPDATE state_head SET seq = $1, chain = $2', [size, chain]);
  });
}

/** Some, spread evenly over all, get a secret that verifies. */
async function makeReal(url: string, size: number, at: Date, keys: KeyProvider, sealOf: IssuerParts['sealOf']): Promise<string[]> {
  const kid = keys.keys('row').current;
  const secrets: string[] = [];
  const real: { id: string; verifier: Buffer; mac: Buffer }[] = [];
  const count = Math.min(size, asked);
  for (let i = 1; i <= count; i++) {
    const seq = Math.floor((i * size) / count);
    const facts = {
      token_id: `tok_${idOf(seq)}`, request_id: `req_${idOf(seq)}`, request_digest: 'sha256:0', owner_id: ownerOf(seq), claimant_iss: 'x', claimant_sub: 'alice', audience: 'orders',
      scopes: ['orders:read'], environment: 'prod', expires_at: new Date(at.getTime() + lifeMs), issue_seq: String(seq), networks: null, rate_per_minute: null,
    };
    const secret = mint('prod', randomBytes(32)).reveal();
    const verifier = await keys.mac('pepper', Buffer.from(innerDigestLatin1(secret), 'latin1'));
    secrets.push(secret);
    real.push({ id: facts.token_id, verifier, mac: await sealOf(keys, facts, kid, { verifier, generation: 1, minted_seq: '0' }) });
  }
  const ids = real.map((one) => one.id);
  await once(url, async (client) => {
    await client.query(
      'UPDATE secret s SET verifier = r.verifier, mac = r.mac FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS r(id, verifier, mac) WHERE s.token_id = r.id',
      [ids, real.map(({ verifier }) => verifier), real.map(({ mac }) => mac)],
    );
  });
  return secrets;
}
