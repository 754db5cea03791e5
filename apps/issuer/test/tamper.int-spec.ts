import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import { makeId } from '@writ/contracts';
import type { Service } from '@writ/service';
import { until } from '@writ/testing';
import { innerDigestLatin1 } from '@writ/token';
import { ReplaceJob } from '../src/issuing/replace.job.js';
import { acceptLog } from '../src/state/accept-log.store.js';
import { Reader } from '../src/verification/reader.store.js';
import { Replica } from '../src/fleet/replica.job.js';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
let gateway: Record<string, string>;

beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start();
  gateway = await issuing.registerGateway(issuer, 'orders-api', ['orders']);
});
afterAll(async () => {
  await issuing?.drop();
});

const sql = (text: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(text, values);
const codeOf = async (token: string, more: object = {}, service = issuer) => (await issuing.post(service, '/v1/tokens/verify', { token, ...more }, gateway)).body.code as string;
const revoke = async (tokenId: string) => issuing.post(issuer, `/v1/tokens/${tokenId}/revoke`, { reason: 'x' }, await issuing.bearer('alice'));
const taken = async (seq: number) => {
  await sql('ALTER TABLE state_log DISABLE TRIGGER append_only');
  const [entry] = await sql('SELECT to_jsonb(l) AS row FROM state_log l WHERE seq = $1', [seq]);
  await sql('DELETE FROM state_log WHERE seq = $1', [seq]);
  return entry!.row;
};
const restored = (row: unknown) => sql('INSERT INTO state_log SELECT * FROM jsonb_populate_record(NULL::state_log, $1)', [JSON.stringify(row)]);
/** Everything that the tables hold of a token, to be put back later. */
const kept = async (tokenId: string) => {
  const tables = ['token', 'generation', 'secret'];
  const rows = await Promise.all(tables.map(async (table) => (await sql(`SELECT to_jsonb(r) AS row FROM ${table} r WHERE token_id = $1`, [tokenId])).map(({ row }) => row)));
  return async () => {
    await sql('SET session_replication_role = replica'); // Nothing that refers to them is looked at.
    for (const table of tables) await sql(`DELETE FROM ${table} WHERE token_id = $1`, [tokenId]);
    for (const [i, table] of tables.entries()) for (const row of rows[i]!) await sql(`INSERT INTO ${table} SELECT * FROM jsonb_populate_record(NULL::${table}, $1)`, [JSON.stringify(row)]);
    await sql('RESET session_replication_role');
  };
};
/** A rotation whose successor waits to be claimed. */
const begun = async (tokenId: string) => {
  const rotationId = makeId('rot', Date.now(), randomBytes(10));
  const at = new Date(Date.now() + 60_000).toISOString();
  await issuing.due({ tokenId, rotationId, cause: 'requested', deadlineAt: at, claimBefore: at });
  await until(async () => (await sql('SELECT 1 FROM generation WHERE rotation_id = $1', [rotationId])).length === 1, 'the rotation to begin');
  return { rotationId };
};
/** What an operator does, with no issuer running. */
const accepted = async (keepTokens = true) => {
  await issuing.stop(issuer);
  try {
    const env = await issuing.bench.env('issuer', [] as never);
    await acceptLog({ databaseUrl: env.WRIT_DATABASE_URL as string, keysDir: env.WRIT_KEYS_DIR as string, stateDir: env.WRIT_STATE_DIR as string, keepTokens });
  } finally {
    issuer = await issuing.start();
  }
};
/** Past every memory: a replica that starts now has read nothing. */
const afresh = async (work: (service: Service) => Promise<void>) => {
  const service = await issuing.start();
  await work(service);
  await issuing.stop(service);
};

describe('an insider with the database', () => {
  it('gets nothing from a row that was edited (G1)', async () => {
    const edits = [
      `UPDATE token SET scopes = '{orders:admin}' WHERE token_id = $1`, `UPDATE token SET expires_at = expires_at + interval '1 year' WHERE token_id = $1`,
      `UPDATE token SET audience = 'billing' WHERE token_id = $1`, `UPDATE token SET owner_id = 'mallory' WHERE token_id = $1`, `UPDATE secret SET generation = 7 WHERE token_id = $1`,
    ];
    for (const edit of edits) {
      const { tokenId, secret } = await issuing.claimed(issuer);
      await sql(edit, [tokenId]);
      expect(await codeOf(secret)).toBe('NOT_FOUND');
    }
  });

  it('brings nothing back by putting rows back: no revoked token, no narrowed one, no replaced secret (G4, G7)', async () => {
    const [revoked, wide, rotating] = [await issuing.claimed(issuer), await issuing.claimed(issuer, { scopes: ['orders:read', 'orders:write'] }), await issuing.claimed(issuer)];
    const putBack = await Promise.all([revoked, wide, rotating].map(({ tokenId }) => kept(tokenId)));
    await revoke(revoked.tokenId);
    const narrow = await issuing.claimed(issuer, { shrinks: wide.tokenId });
    await codeOf(narrow.secret);
    await sql(`UPDATE generation SET used_at = now() - interval '1 year' WHERE token_id = $1`, [narrow.tokenId]);
    await issuer.app.get(ReplaceJob).round();
    const { rotationId } = await begun(rotating.tokenId);
    const { body: { secret } } = await issuing.post(issuer, `/v1/tokens/${rotating.tokenId}/claim`, { rotationId }, await issuing.bearer('alice'));
    await issuing.steer({ tokenId: rotating.tokenId, rotationId, command: 'force', by: issuing.person('root'), reason: 'x' });
    await until(async () => (await codeOf(rotating.secret)) === 'REVOKED', 'the end of the old secret');
    expect([await codeOf(wide.secret), await codeOf(secret)]).toEqual(['REVOKED', 'VALID']);
    for (const put of putBack) await put();
    await afresh(async (service) => {
      for (const one of [revoked, wide, rotating]) expect(await codeOf(one.secret, {}, service)).toBe('REVOKED');
    });
  });

  it('makes nobody the owner again of what was given to somebody else: with the rows of before, whose seals are good, nothing can be done (G1, G10)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const { rotationId } = await begun(tokenId);
    const [alice, root] = [await issuing.bearer('alice'), await issuing.bearer('root', ['admins'])];
    await issuing.post(issuer, `/v1/tokens/${tokenId}/suspend`, { reason: 'x' }, alice);
    const putBack = await kept(tokenId);
    expect((await issuing.post(issuer, `/v1/tokens/${tokenId}/transfer`, { to: 'bob', reason: 'x' }, root)).status).toBe(200);
    const putForth = await kept(tokenId);
    await putBack();
    const act = async (what: string, body: object, as = alice) => (await issuing.post(issuer, `/v1/tokens/${tokenId}/${what}`, body, as)).status;
    expect(await act('resume', { reason: 'x' })).toBe(500);
    expect(await act('transfer', { to: 'mallory', reason: 'x' }, root)).toBe(500);
    await sql(`UPDATE token SET state = 'active' WHERE token_id = $1`, [tokenId]);
    expect(await act('claim', { rotationId })).toBe(500);
    await afresh(async (service) => expect(await codeOf(secret, {}, service)).toBe('NOT_FOUND'));
    await putForth();
    expect(await act('resume', { reason: 'x' }, root)).toBe(200);
    await afresh(async (service) => expect(await codeOf(secret, {}, service)).toBe('VALID'));
  });

  it('claims nothing of a token whose scopes were widened before the claim (G1)', async () => {
    const { tokenId } = await issuing.issued();
    await sql(`UPDATE token SET scopes = '{orders:admin}' WHERE token_id = $1`, [tokenId]);
    expect((await issuing.post(issuer, `/v1/tokens/${tokenId}/claim`, {}, await issuing.bearer('alice'))).status).toBe(500);
    expect(await sql('SELECT 1 FROM secret WHERE token_id = $1', [tokenId])).toEqual([]);
  });

  it('gets no gateway by writing one into the table, nor an audience (G10)', async () => {
    const { secret } = await issuing.claimed(issuer);
    const own = await issuing.registerGateway(issuer, 'mallory-api', ['mallory']);
    await sql(`UPDATE gateway SET audiences = '{orders}' WHERE client_id = 'mallory-api'`);
    expect((await issuing.post(issuer, '/v1/tokens/verify', { token: secret }, own)).status).toBe(401);
  });

  it('cannot let a revoked token live again by taking its entry away, before anybody has gone over the log (G4)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const { body } = await revoke(tokenId);
    const entry = await taken(body.seq);
    const { tokens } = await issuer.app.get(Reader).read([innerDigestLatin1(secret)]);
    await restored(entry);
    expect([...tokens.values()]).toEqual([]);
    await accepted();
    expect(await codeOf(secret)).toBe('REVOKED');
  });

  it('who takes an entry of the state log away, or edits one, stops every yes until an operator accepts the log: a restart forgets nothing (G4, G9)', async () => {
    const keep = await issuing.claimed(issuer);
    const { tokenId, secret } = await issuing.claimed(issuer);
    const { body } = await revoke(tokenId);
    expect(await codeOf(keep.secret)).toBe('VALID');
    const entry = await taken(body.seq);
    await until(async () => (await codeOf(keep.secret)) === 'STALE', 'the hole to be noticed', 5_000);
    expect(await codeOf(secret)).toBe('STALE');
    // Whoever stands behind a proxy is not told that the token is bad: nobody knows.
    const held = await issuing.get(issuer, '/v1/forward-auth', { 'x-writ-gateway-authorization': gateway.authorization as string, authorization: `Bearer ${keep.secret}` });
    expect([held.status, held.headers.get('retry-after'), held.headers.get('www-authenticate')]).toEqual([503, '1', null]);
    expect((await issuing.post(issuer, '/oauth2/introspect', `token=${keep.secret}`, gateway)).status).toBe(503);
    // Nor that a token is as good as revoked (RFC 7009, section 2.2.1), which may live once the log is whole again.
    expect((await issuing.post(issuer, '/oauth2/revoke', `token=${secret}`, gateway)).status).toBe(503);
    expect((await issuing.get(issuer, '/health/ready')).status).toBe(503);
    await afresh(async (late) => expect(await codeOf(keep.secret, {}, late)).toBe('STALE'));
    await expect(accepted()).rejects.toThrow('restore it first');
    await restored(entry);
    await afresh(async (late) => expect(await codeOf(keep.secret, {}, late)).toBe('STALE'));
    await accepted();
    expect([await codeOf(keep.secret), await codeOf(secret)]).toEqual(['VALID', 'REVOKED']);
  });

  it('who edits an entry is found by the chain where the number of entries is right (G4, G9)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuer);
    const { body } = await revoke(tokenId);
    await sql('ALTER TABLE state_log DISABLE TRIGGER append_only');
    await sql(`UPDATE state_log SET token_id = 'tok_other' WHERE seq = $1`, [body.seq]);
    await until(async () => (await codeOf(secret)) === 'STALE', 'the edit to be noticed', 5_000);
    await sql('UPDATE state_log SET token_id = $2 WHERE seq = $1', [body.seq, tokenId]);
    await accepted();
  });

  it('gets no acknowledgement for an entry whose loss nobody would notice: it is on disk outside the database before, also where the first try failed (G4)', async () => {
    const dir = (await issuing.bench.env('issuer', [] as never)).WRIT_STATE_DIR as string;
    const files = () => readdirSync(dir).filter((name) => /^head\..*\.json$/.test(name)).map((name) => join(dir, name));
    const newest = () => Math.max(...files().map((file) => (JSON.parse(readFileSync(file, 'utf8')) as { seq: number }).seq));
    const replica = issuer.app.get(Replica);
    const told: [seq: number, onDisk: number][] = [];
    replica.onKept(() => told.push([replica.headSeq, newest()]));
    const inTheWay = files().map((file) => `${file}.draft`);
    for (const draft of inTheWay) mkdirSync(draft);
    const before = replica.headSeq;
    await issuing.issued();
    await until(() => replica.headSeq > before, 'the entry to be applied');
    await expect(replica.poll()).rejects.toThrow('EISDIR');
    expect(told).toEqual([]);
    for (const draft of inTheWay) rmSync(draft, { recursive: true });
    await until(() => told.length > 0, 'the entry to be kept');
    for (const [seq, onDisk] of told) expect(onDisk).toBe(seq);
  });

  it('who sets the whole database back is found out by whoever reads in it, and at the next start (G4, G9)', async () => {
    const service = await issuing.start();
    const { tokenId, secret } = await issuing.claimed(service);
    expect(await codeOf(secret, {}, service)).toBe('VALID');
    const putBack = await kept(tokenId);
    const [head] = await sql('SELECT seq, chain FROM state_head');
    await issuing.post(service, `/v1/tokens/${tokenId}/revoke`, { reason: 'x' }, await issuing.bearer('alice'));
    const replica = service.app.get(Replica);
    jest.spyOn(replica, 'poll').mockResolvedValue();
    replica.state.voidLease();
    await sql('ALTER TABLE state_log DISABLE TRIGGER append_only');
    await sql('DELETE FROM state_log WHERE seq > $1', [head!.seq]);
    await sql('UPDATE state_head SET seq = $1, chain = $2', [head!.seq, head!.chain]);
    await putBack();
    expect(await codeOf(secret, {}, service)).toBe('STALE');
    await sql(`UPDATE state_head SET incarnation = 'another', seq = seq + 1000`);
    expect(await codeOf(secret, {}, service)).toBe('STALE');
    await sql('UPDATE state_head SET incarnation = $1, seq = $2', [replica.logIncarnation, head!.seq]);
    await issuing.stop(service);
    await afresh(async (late) => expect(await codeOf(secret, {}, late)).toBe('STALE'));
    await accepted(false);
    await afresh(async (late) => {
      expect(await codeOf(secret, {}, late)).toBe('REVOKED');
      expect(await codeOf((await issuing.claimed(late)).secret, {}, late)).toBe('VALID');
    });
  });
});
