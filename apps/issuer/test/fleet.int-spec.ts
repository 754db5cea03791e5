import { fork, type ChildProcess } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jest } from '@jest/globals';
import type { Logger } from 'pino';
import { createGateway, maxEntriesPerGrant, type Gateway, type Registration } from '@writ/gateway';
import { Transactions } from '@writ/messaging';
import { LOG, type Service } from '@writ/service';
import { backingUrls, FaultProxy, until } from '@writ/testing';
import { Fleet } from '../src/fleet/fleet.store.js';
import { Replica } from '../src/fleet/replica.job.js';
import { SilentVerifiersJob } from '../src/fleet/silent-verifiers.job.js';
import { StateLog } from '../src/state/state-log.store.js';
import { Usage } from '../src/usage/usage.store.js';
import { usesKnownUntil } from '../src/fleet/watermark.store.js';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuers: Service[];
let credentials: { clientId: string; clientSecret: string };
let gateways: Gateway[] = [];
let child: ChildProcess | undefined;

const monotonicMs = () => Number(process.hrtime.bigint() / 1000n) / 1000;
const revoke = async (tokenId: string, service = issuers[0] as Service) =>
  issuing.post(service, `/v1/tokens/${tokenId}/revoke?wait=fleet`, { reason: 'x' }, await issuing.bearer('alice'));

beforeAll(async () => {
  issuing = await Issuing.create();
  issuers = [await issuing.start(), await issuing.start()];
  const { authorization } = await issuing.registerGateway(issuers[0] as Service, 'orders-api', ['orders']);
  const [clientId, clientSecret] = Buffer.from((authorization as string).slice(6), 'base64').toString().split(':');
  credentials = { clientId: clientId as string, clientSecret: clientSecret as string };
  gateways = Array.from({ length: 4 }, (_, i) => createGateway({ issuerUrl: (issuers[i % 2] as Service).url, ...credentials, audience: 'orders', name: `gateway-${i}` }));
  expect(await Promise.all(gateways.map((gateway) => gateway.ready()))).toEqual([true, true, true, true]);
});
afterAll(async () => {
  child?.kill('SIGKILL');
  await Promise.all(gateways.map((gateway) => gateway.close()));
  await issuing?.drop();
});

describe('a fleet of verifiers', () => {
  it('"a revoked key lives on in a cache, from 10 s to 24 h" (Bindu PR 509, executor PR 1870, rustango#1539): ours is never VALID in a call that began after a fleet-wide revoke returned (G4)', async () => {
    const tokens = await Promise.all(Array.from({ length: 4 }, () => issuing.claimed(issuers[0] as Service)));
    for (const [round, { tokenId, secret }] of tokens.entries()) {
      for (const gateway of gateways) expect((await gateway.verify(secret)).code).toBe('VALID');
      let returned = false;
      const racing = gateways.map(async (gateway) => {
        let stale = 0;
        for (let after = 0; after < 50;) {
          const began = returned;
          const { valid } = await gateway.verify(secret);
          if (began) after += 1;
          if (began && valid) stale += 1;
          if (after === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        return stale;
      });
      const { body } = await revoke(tokenId, issuers[round % 2]);
      returned = true;
      expect(await Promise.all(racing)).toEqual([0, 0, 0, 0]);
      expect(body.receipts.filter(({ outcome }: { outcome: string }) => outcome === 'acknowledged').length).toBeGreaterThan(3);
    }
  });

  it('acknowledges a revocation within milliseconds, each with its receipt', async () => {
    const latencies: number[] = [];
    for (let i = 0; i < 5; i++) {
      const { tokenId } = await issuing.claimed(issuers[0] as Service);
      const { body } = await revoke(tokenId);
      latencies.push(...body.receipts.map(({ latencyMs }: { latencyMs: number }) => latencyMs));
    }
    expect(latencies.sort((a, b) => a - b)[Math.floor(latencies.length / 2)]).toBeLessThan(100);
  });

  it('states how fresh each answer is, and that is true (G5)', async () => {
    const { secret } = await issuing.claimed(issuers[0] as Service);
    const gateway = gateways[1] as Gateway;
    await gateway.verify(secret);
    const answer = await gateway.verify(secret);
    expect(answer.maxStalenessMs).toBeLessThanOrEqual(800);
    const [head] = await issuing.bench.database('issuer').query<{ seq: string }>('SELECT seq FROM state_head');
    expect(answer.seq).toBeLessThanOrEqual(Number(head!.seq));
    expect((await gateway.verify(secret, { minSeq: Number(head!.seq) + 1 })).code).toBe('STALE');
  });

  it('waits for a stopped verifier no longer than its lease, and that one refuses when it goes on (G4)', async () => {
    const { tokenId, secret } = await issuing.claimed(issuers[0] as Service);
    child = fork(fileURLToPath(new URL('./verifier-process.mjs', import.meta.url)), [(issuers[0] as Service).url, credentials.clientId, credentials.clientSecret], { execArgv: ['--conditions=default'] });
    await once(child, 'message');
    child.send({ watch: [secret] });
    const lastValid = async () => {
      child!.send({ report: true });
      const [{ lastValid: seen }] = (await once(child!, 'message')) as [{ lastValid: [string, number][] }];
      return new Map(seen).get(secret);
    };
    await until(lastValid, 'the first VALID');
    child.kill('SIGSTOP');
    const begun = performance.now();
    const { body } = await revoke(tokenId);
    const returnedAt = monotonicMs();
    expect(performance.now() - begun).toBeLessThan(1_200);
    const receipt = body.receipts.find(({ name }: { name: string }) => name === 'child');
    expect(receipt?.outcome).toBe('fenced');
    child.kill('SIGCONT');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await lastValid()).toBeLessThan(returnedAt);
    child.kill('SIGKILL');
    // Whoever was waited for in vain has to register anew, and is not waited for again.
    const left = await issuing.bench.database('issuer').query(`SELECT 1 FROM verifier WHERE name = 'child' AND retired_at IS NULL AND verifier_id = $1`, [receipt?.verifierId]);
    expect(left).toEqual([]);
  });

  it('is waited for again by whoever repeats a revocation whose answer was lost, by possession too (G4)', async () => {
    const [issuer, deaf] = issuers as [Service, Service];
    const as = { authorization: `Basic ${Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64')}` };
    const { secret } = await issuing.claimed(issuer);
    const codeThere = async () => (await issuing.post(deaf, '/v1/tokens/verify', { token: secret }, as)).body.code;
    expect(await codeThere()).toBe('VALID');
    const hearing = jest.spyOn(deaf.app.get(Replica), 'poll').mockResolvedValue();
    const lost = issuing.post(issuer, '/oauth2/revoke', `token=${secret}`, as);
    await until(async () => (await issuing.post(issuer, '/v1/tokens/verify', { token: secret }, as)).body.code === 'REVOKED', 'the commit');
    expect((await issuing.post(issuer, '/oauth2/revoke', `token=${secret}`, as)).status).toBe(200);
    expect(await codeThere()).toBe('REVOKED');
    hearing.mockRestore();
    await lost;
  });

  it('is waited for again by whoever repeats the end of a request: the same place, a receipt of each (G4)', async () => {
    const { request: { requestId } } = await issuing.issued();
    const root = await issuing.bearer('root', ['admins']);
    const end = async (body: object) => issuing.post(issuers[0] as Service, '/v1/revocations?wait=fleet', { ...body, reason: 'x' }, root);
    const [first, again, none] = [await end({ requestId }), await end({ requestId }), await end({ requestId: issuing.submission().requestId })];
    expect([again.status, again.body.seq, none.status]).toEqual([200, first.body.seq, 404]);
    expect(again.body.receipts.map(({ name }) => name)).toEqual(expect.arrayContaining(gateways.map((_, i) => `gateway-${i}`)));
  });

  it('is not taken for waited for where that was misspelt: nothing happens', async () => {
    const { tokenId } = await issuing.issued();
    const [alice, root] = [await issuing.bearer('alice'), await issuing.bearer('root', ['admins'])];
    for (const wait of ['flee', '', 'fleet&wait=fleet']) {
      expect((await issuing.post(issuers[0] as Service, `/v1/tokens/${tokenId}/revoke?wait=${wait}`, { reason: 'x' }, alice)).status).toBe(400);
      expect((await issuing.post(issuers[0] as Service, `/v1/revocations?wait=${wait}`, { ownerId: 'alice', reason: 'x' }, root)).status).toBe(400);
    }
    expect((await issuing.get(issuers[0] as Service, `/v1/tokens/${tokenId}`, alice)).body.state).toBe('issued');
  });

  it('is not held up for ever by one that died: it is retired, must register anew, and is forgotten at last (G7)', async () => {
    const rows = (sql: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(sql, values);
    const living = () => rows('SELECT verifier_id FROM verifier WHERE retired_at IS NULL ORDER BY 1');
    const known = async () => (await rows(`SELECT ${usesKnownUntil} > now() - interval '1 minute' AS recent`))[0]?.recent;
    const pass = async () => {
      const began = performance.now();
      for (let minutes = 0; minutes < 2; minutes += 1 / 3) for (const { app } of issuers) await app.get(SilentVerifiersJob).round(began + minutes * 60_000);
    };
    const before = await living();
    await rows(`INSERT INTO verifier (verifier_id, name, client_id, lease_ms, registered_at) VALUES ('vrf_0000000000000000000000dead', 'dead', $1, 800, now() - interval '1 hour')`, [credentials.clientId]);
    await rows(`UPDATE verifier SET heard_at = now() - interval '61 seconds'`);
    expect(await known()).toBe(false);
    await pass();
    expect(await living()).toEqual(before);
    expect(await known()).toBe(true);
    const [head] = await rows('SELECT incarnation, seq FROM state_head');
    const ask = { verifierId: 'vrf_0000000000000000000000dead', incarnation: head?.incarnation, nonce: 'q83vASNFZ4mrze8BI0VniQ', appliedSeq: Number(head?.seq), holdMs: 0 };
    const basic = Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64');
    expect((await issuing.post(issuers[0] as Service, '/v1/fleet/lease', ask, { authorization: `Basic ${basic}` })).body.code).toBe('rejoin');
    await rows(`UPDATE verifier SET retired_at = now() - interval '25 hours' WHERE verifier_id = 'vrf_0000000000000000000000dead'`);
    await pass();
    expect(await rows(`SELECT 1 FROM verifier WHERE verifier_id = 'vrf_0000000000000000000000dead'`)).toEqual([]);
  });

  it('goes on answering from memory after the clock of a replica was stepped while it read news', async () => {
    const { state } = (issuers[0] as Service).app.get(Replica);
    let isStepping = true;
    const stepping = (async () => {
      for (; isStepping; await new Promise((resolve) => setImmediate(resolve))) state.voidLease(); // What a call does that finds the clocks apart.
    })();
    const [before] = await issuing.bench.database('issuer').query<{ seq: string }>('SELECT seq FROM state_head');
    await issuing.issued();
    await new Promise((resolve) => setTimeout(resolve, 300));
    isStepping = false;
    await stepping;
    await until(() => state.appliedSeq > Number(before?.seq) && state.mayAnswer(performance.now(), Date.now()), 'the lease', 3_000);
  });

  it('lets an ask wait through what stops nothing, so that issuing does not wake the fleet, and go at once when something stops', async () => {
    const [issuer] = issuers as [Service];
    const as = { authorization: `Basic ${Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64')}` };
    const { body: joined } = await issuing.post(issuer, '/v1/fleet/verifiers', { name: 'asker', leaseMs: 800 }, as);
    const { tokenId } = await issuing.claimed(issuer);
    const { headSeq } = issuer.app.get(Replica);
    const answered: string[] = [];
    const asked = issuing.post(issuer, '/v1/fleet/lease', { verifierId: joined.verifierId, incarnation: joined.incarnation, nonce: 'n', appliedSeq: headSeq, holdMs: 800 }, as);
    void asked.then(() => answered.push('lease'));
    // Each is in the log, and applied, before the next.
    await issuing.issued();
    await until(() => issuer.app.get(Replica).headSeq > headSeq, 'the issue');
    await new Promise((resolve) => setImmediate(resolve));
    answered.push('issue');
    await issuing.post(issuer, `/v1/tokens/${tokenId}/revoke`, { reason: 'x' }, await issuing.bearer('alice'));
    const { body } = await asked;
    expect(answered).toEqual(['issue', 'lease']);
    expect((body.entries as { kind: string }[]).map(({ kind }) => kind)).toEqual(['issue', 'revoke']);
    await issuing.bench.database('issuer').query('DELETE FROM verifier WHERE verifier_id = $1', [joined.verifierId]);
  });

  it('is sent on by a replica that stops, without waiting: another one may grant what is asked for before the lease is over (G11)', async () => {
    const stopping = await issuing.start();
    const as = { authorization: `Basic ${Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64')}` };
    const { body: joined } = await issuing.post(stopping, '/v1/fleet/verifiers', { name: 'sent on', leaseMs: 800 }, as);
    const { headSeq } = stopping.app.get(Replica);
    const asked = issuing.post(stopping, '/v1/fleet/lease', { verifierId: joined.verifierId, incarnation: joined.incarnation, nonce: 'n', appliedSeq: headSeq, holdMs: 800 }, as);
    const fleet = stopping.app.get(Fleet);
    await until(() => fleet['held'].size > 0, 'the ask to be held');
    await issuing.stop(stopping);
    const answer = await asked;
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '0']);
    await issuing.bench.database('issuer').query('DELETE FROM verifier WHERE verifier_id = $1', [joined.verifierId]);
  });

  it('retires who was silent as of when its row was free, so that whoever revokes next still waits for its last lease (G4)', async () => {
    const [issuer] = issuers as [Service];
    const as = { authorization: `Basic ${Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64')}` };
    const { body: { verifierId } } = await issuing.post(issuer, '/v1/fleet/verifiers', { name: 'silent', leaseMs: 800 }, as);
    const { tokenId } = await issuing.claimed(issuer);
    const database = issuing.bench.database('issuer');
    let revoked: Promise<unknown> | undefined;
    const free = await issuer.app.get(Transactions).run(async ({ db }) => {
      await db.query('SELECT 1 FROM verifier WHERE verifier_id = $1 FOR UPDATE', [verifierId]);
      revoked = revoke(tokenId);
      await until(async () => (await database.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%retired_at = %'`)).length > 0, 'the retirement to wait');
      return ((await db.query<{ free: Date }>('SELECT clock_timestamp() AS free'))[0] as { free: Date }).free;
    });
    await revoked;
    const [row] = await database.query<{ retired_at: Date }>('SELECT retired_at FROM verifier WHERE verifier_id = $1', [verifierId]);
    expect(row!.retired_at.getTime()).toBeGreaterThanOrEqual(free.getTime());
  });

  it('outlives that the database resets every connection right after a commit (G11)', async () => {
    const proxy = await FaultProxy.before(backingUrls().postgres);
    const { WRIT_DATABASE_URL: url = '' } = await issuing.bench.env('issuer', [] as never);
    const service = await issuing.start({ WRIT_DATABASE_URL: proxy.url(url) });
    const warned = jest.spyOn(service.app.get<Logger>(LOG), 'warn');
    await service.app.get(Transactions).run(async (tx) => {
      tx.onCommit(() => proxy.set('down'));
      tx.emit('act.recorded', { service: 'issuer', act: 'test', by: { kind: 'issuer' } } as never, { subject: 'issuer' });
    });
    // A rejection that nobody hears ends the process, except here where Jest swallows it.
    await until(() => warned.mock.calls.some((said) => said.includes('the state log cannot be read just now')), 'the failed read to be heard');
    proxy.set('none');
    await until(() => service.app.get(Replica).state.mayAnswer(performance.now(), Date.now()), 'the lease', 5_000);
    await issuing.stop(service);
    await proxy.close();
  });

  it('hears a suspension lifted', async () => {
    const { tokenId, secret } = await issuing.claimed(issuers[0] as Service);
    const gateway = gateways[0] as Gateway;
    expect((await gateway.verify(secret)).code).toBe('VALID');
    const alice = await issuing.bearer('alice');
    await issuing.post(issuers[1] as Service, `/v1/tokens/${tokenId}/suspend?wait=fleet`, { reason: 'x' }, alice);
    expect((await gateway.verify(secret)).code).toBe('SUSPENDED');
    await issuing.post(issuers[1] as Service, `/v1/tokens/${tokenId}/resume`, { reason: 'x' }, alice);
    await until(async () => (await gateway.verify(secret)).code === 'VALID', 'the resume', 2_000);
  });

  it('says its own uses later where the database failed, and lives on', async () => {
    const tap = await issuing.bench.bus.tap();
    const usage = (issuers[0] as Service).app.get(Usage);
    const failing = jest.spyOn(usage, 'record').mockRejectedValue(new Error('the database is away'));
    const unhandled = jest.fn();
    process.on('unhandledRejection', unhandled);
    for (let i = 0; i < 2_100; i++) usage.note({ clientId: 'orders-api', audiences: [] } as never, { digest: undefined, address: `10.${i >> 8}.${i & 255}.1` }, { code: 'NOT_FOUND' } as never, undefined, 'use');
    await until(() => failing.mock.calls.length > 0, 'the failure');
    await new Promise((resolve) => setImmediate(resolve));
    failing.mockRestore();
    await tap.next('usage.recorded', ({ records }) => (records as { network?: string }[]).some(({ network }) => network === '10.7.255.0/24'));
    process.off('unhandledRejection', unhandled);
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('hears what is new though others ask from the beginning of a long log, strangers above all (G11)', async () => {
    const { app } = issuers[0] as Service;
    const [fleet, log, transactions] = [app.get(Fleet), app.get(StateLog), app.get<Transactions<'issuer'>>(Transactions)];
    const [mine, far] = await Promise.all(['near', 'far'].map((name) => fleet.register(credentials.clientId, { name, leaseMs: 800 }))) as [Registration, Registration];
    await transactions.run((tx) => Promise.all(Array.from({ length: maxEntriesPerGrant + 200 }, (_, i) => log.append(tx.db, { kind: 'epoch', reasonCode: 'owner-revoked', ownerId: `nobody-${i}` }))));
    const [head] = await issuing.bench.database('issuer').query<{ seq: string }>('SELECT seq FROM state_head');
    const headSeq = Number(head?.seq);
    await until(() => app.get(Replica).headSeq === headSeq, 'the replica to apply them');
    const ask = ({ verifierId, incarnation }: Registration, appliedSeq: number) => ({ verifierId, incarnation, appliedSeq, nonce: 'n', holdMs: 0 });
    // Asked in one turn, so that they would share a read.
    const [strange, behind, near] = await Promise.all([
      fleet.lease('a-stranger', ask(mine, 0)), fleet.lease(credentials.clientId, ask(far, 0)), fleet.lease(credentials.clientId, ask(mine, headSeq - 3)),
    ]);
    expect(strange).toBe('rejoin');
    expect(behind).toMatchObject({ more: true, entries: { length: maxEntriesPerGrant } });
    expect(near).toMatchObject({ more: false, headSeq, entries: [{ seq: headSeq - 2 }, { seq: headSeq - 1 }, { seq: headSeq }] });
    for (const { verifierId } of [mine, far]) await fleet.leave(credentials.clientId, verifierId);
  });

  it('that lost uses leaves it open whether a secret about to retire was shown, so that it is not idle from before (G7)', async () => {
    const [issuer] = issuers as [Service];
    const as = { authorization: `Basic ${Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64')}` };
    const database = issuing.bench.database('issuer');
    const { body: { verifierId } } = await issuing.post(issuer, '/v1/fleet/verifiers', { name: 'loser', leaseMs: 800 }, as);
    const { tokenId } = await issuing.claimed(issuer);
    await database.query(`UPDATE generation SET retires_at = now() + interval '1 hour' WHERE token_id = $1`, [tokenId]);
    const lastUsed = async () => (await database.query<{ last_used_at: Date | null }>('SELECT last_used_at FROM generation WHERE token_id = $1', [tokenId]))[0]!.last_used_at;
    const upload = async (batch: number, lost: number) => expect((await issuing.post(issuer, '/v1/usage', { verifierId, batch, lost, watermark: new Date().toISOString(), records: [] }, as)).status).toBe(202);
    await upload(1, 0);
    expect(await lastUsed()).toBeNull();
    const [{ now }] = await database.query('SELECT now()') as [{ now: Date }];
    await upload(2, 3);
    await upload(3, 0);
    expect((await lastUsed())!.getTime()).toBeGreaterThanOrEqual(now.getTime());
    await database.query('DELETE FROM verifier WHERE verifier_id = $1', [verifierId]);
  });

  it('"slow password hashing blocks the event loop" (akash PR 2907, textbee PR 250): ours is one SHA-256 and one HMAC, because a secret has 256 bits', async () => {
    const { tokenId, secret } = await issuing.claimed(issuers[0] as Service);
    const pepper = Buffer.from(readFileSync(join(issuing.bench.dir, 'issuer', 'pepper.1.key'), 'utf8'), 'base64');
    const inner = createHash('sha256').update(`writ/secret/v1:${secret}`).digest();
    expect(await issuing.bench.database('issuer').query('SELECT verifier FROM secret WHERE token_id = $1', [tokenId])).toEqual([{ verifier: createHmac('sha256', pepper).update(inner).digest() }]);
  });

  it('"a write for each request, to know the last use" (akash PR 2907, textbee PR 250): a thousand of ours are answered while no table can be written, counted in memory and told together', async () => {
    const tap = await issuing.bench.bus.tap();
    const [issuer] = issuers as [Service];
    const { tokenId, secret } = await issuing.claimed(issuer);
    const as = { authorization: `Basic ${Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64')}` };
    const verify = async () => (await issuing.post(issuer, '/v1/tokens/verify', { token: secret }, as)).body.code;
    expect(await verify()).toBe('VALID');
    const database = issuing.bench.database('issuer');
    const [{ tables }] = await database.query(`SELECT string_agg(quote_ident(tablename), ', ') AS tables FROM pg_tables WHERE schemaname = 'public'`) as [{ tables: string }];
    await database.query(`CREATE SEQUENCE row_writes; CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN PERFORM nextval('row_writes'); RETURN NULL; END $$`);
    for (const table of ['token', 'secret', 'generation']) await database.query(`CREATE TRIGGER counted AFTER INSERT OR UPDATE ON ${table} FOR EACH ROW EXECUTE FUNCTION count_write()`);
    const locked = () => database.query(`BEGIN; LOCK TABLE ${tables} IN SHARE MODE NOWAIT`).then(() => true, () => database.query('ROLLBACK').then(() => false));
    await until(locked, 'a moment in which nobody writes');
    const codes = new Set<string>();
    for (let done = 0; done < 1_000; done += 20) for (const code of await Promise.all(Array.from({ length: 20 }, verify))) codes.add(code);
    await database.query('ROLLBACK');
    expect([...codes]).toEqual(['VALID']);
    const records = () => tap.ofType('usage.recorded').flatMap(({ envelope }) => envelope.data.records as { tokenId: string; count: number }[]).filter((one) => one.tokenId === tokenId);
    await until(() => records().reduce((sum, { count }) => sum + count, 0) === 1_001, 'every use to be told');
    expect(records().length).toBeLessThan(20);
    expect(Number((await database.query<{ last_value: string }>('SELECT last_value FROM row_writes'))[0]?.last_value)).toBeLessThan(20);
  });

  it('tells uses in one order of locks, a verifier before tokens and these by their ids, so that no two wait for each other (G11)', async () => {
    const [issuer] = issuers as [Service];
    const used = await Promise.all([issuing.claimed(issuer), issuing.claimed(issuer)]);
    const [low, high] = used.map(({ tokenId }) => tokenId).sort() as [string, string];
    const database = issuing.bench.database('issuer');
    await database.query('UPDATE token SET version = version WHERE token_id = $1', [low]); // It lies behind the other now.
    const waiting = (table: string) => until(async () => (await database.query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE $1`, [`%UPDATE ${table}%`])).length > 0, 'the usage to wait');
    const transactions = issuer.app.get<Transactions<'issuer'>>(Transactions);
    const free = (db: { query(sql: string, values: unknown[]): Promise<unknown> }, ids: string[]) => db.query('SELECT 1 FROM token WHERE token_id = ANY($1) FOR UPDATE NOWAIT', [ids]);
    const as = { authorization: `Basic ${Buffer.from(`${credentials.clientId}:${credentials.clientSecret}`).toString('base64')}` };
    const use = () => Promise.all(used.map(({ secret }) => issuing.post(issuer, '/v1/tokens/verify', { token: secret }, as)));
    await transactions.run(async ({ db }) => {
      await db.query('SELECT 1 FROM verifier WHERE verifier_id = $1 FOR UPDATE', [issuer.app.get(Replica).id]);
      await use();
      await waiting('verifier');
      await free(db, [low, high]);
    });
    await transactions.run(async ({ db }) => {
      await db.query('SELECT 1 FROM token WHERE token_id = $1 FOR UPDATE', [low]);
      await use();
      await waiting('token');
      await free(db, [high]);
    });
  });

  it('tells what the SDK saw together, with the network and the family of the agent', async () => {
    const tap = await issuing.bench.bus.tap();
    const { tokenId, secret } = await issuing.claimed(issuers[0] as Service);
    for (let i = 0; i < 7; i++) await (gateways[0] as Gateway).verify(secret, { address: '198.51.100.9', agent: 'python-requests/2' });
    const { verifierId } = (gateways[0] as Gateway).status();
    const said = await tap.next('usage.recorded', (data) => data.verifierId === verifierId && (data.records as { tokenId: string }[]).some((one) => one.tokenId === tokenId));
    expect(said.envelope.data.records).toContainEqual(expect.objectContaining({ tokenId, generation: 1, code: 'VALID', gateway: 'orders-api', network: '198.51.100.0/24', agent: 'python-requests', count: 7 }));
  });
});
