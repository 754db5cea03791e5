import { hash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as textOf } from 'node:stream/consumers';
import { Client } from 'pg';
import { FaultProxy, SignedStore, until } from '@writ/testing';
import type { LogState } from '@writ/contracts';
import { s3Target } from '@writ/site';
import { evaluatePolicy, keyTypes, parseNote, parsePolicy, SignerKey, tileSource, urlSource, verifyLog } from '@writ/tlog';
import * as migrations from '../src/migrations/index.js';
import { AuditBench } from './audit-bench.js';
import { alive } from './samples.js';
import { origin } from './signer-process.js';

let audit: AuditBench;
const wires: Server[] = [];
beforeAll(async () => {
  audit = await AuditBench.create();
});
afterEach(async () => {
  await Promise.all(audit.services.splice(0).map((service) => service.close()));
  for (const wire of wires.splice(0)) wire.close().closeAllConnections();
});
afterAll(() => audit.drop());

const policy = () => parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`);
const say = () => audit.bench.bus.say('issuer', 'service.alive', alive());

describe('a log that is out of order', () => {
  it('hangs nobody who speaks while it cannot write, and loses nothing they said (G2)', async () => {
    await audit.start();
    await audit.recorded([await say()]);
    const blocker = new Client({ connectionString: audit.bench.database('audit').adminUrl });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE tlog IN ACCESS EXCLUSIVE MODE');
    const startedAt = performance.now();
    const events = await Promise.all(Array.from({ length: 200 }, say));
    expect(performance.now() - startedAt).toBeLessThan(3_000);
    await blocker.query('ROLLBACK');
    await blocker.end();
    await audit.recorded(events);
  });

  it('records everything once although it never learns what became of a commit (G2, G8)', async () => {
    const { WRIT_DATABASE_URL: url = '' } = await audit.bench.env('audit', migrations, {});
    const proxy = await FaultProxy.before(url);
    await audit.start({ WRIT_DATABASE_URL: proxy.url(url), WRIT_BATCH: '20' });
    await audit.recorded([await say()]);
    proxy.loseAnswers('COMMIT', 6);
    const events: string[] = [];
    await until(async () => {
      events.push(...await Promise.all(Array.from({ length: 20 }, say)));
      return proxy.answersToLose === 0;
    }, 'the answers to be lost', 25_000);
    await audit.recorded(events);
    const [count] = await audit.query<{ n: string; next: string }>('SELECT count(*) n, max(seq) + 1 "next" FROM tlog_entry');
    expect(count?.n).toBe(count?.next);
    await Promise.all(audit.services.splice(0).map((service) => service.close()));
    await proxy.close();
  });

  it('keeps what it hears while its disk is full, gives nothing up, and records it when there is room (G2, G8)', async () => {
    await audit.start();
    await audit.recorded([await say()]);
    // What PostgreSQL says when the disk is full, from where it would: as a row is written.
    await audit.query(`CREATE SEQUENCE tried; GRANT USAGE ON tried TO PUBLIC; CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('tried'); RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$`);
    await audit.query('CREATE TRIGGER full_disk BEFORE INSERT ON tlog_entry FOR EACH ROW EXECUTE FUNCTION full_disk()');
    const [before] = await audit.query<{ size: string }>('SELECT size FROM tlog');
    const events = await Promise.all(Array.from({ length: 50 }, say));
    await until(async () => Number((await audit.query<{ n: string }>('SELECT last_value n FROM tried'))[0]?.n) > 2, 'it to be tried in vain');
    expect(await audit.query('SELECT size FROM tlog')).toEqual([before]);
    await audit.query('DROP TRIGGER full_disk ON tlog_entry');
    await audit.recorded(events);
    expect(await audit.query('SELECT 1 FROM inbox_waiting')).toEqual([]);
  });

  it('records while its signer is away, and signs all of it when the signer is back (G8)', async () => {
    const service = await audit.start();
    await audit.recorded([await say()]);
    await audit.signed();
    await audit.signer.kill();
    const events = await Promise.all(Array.from({ length: 50 }, say));
    await audit.recorded(events);
    await audit.signer.start();
    await audit.signed();
    const report = await until(async () => {
      const found = await verifyLog(urlSource(service.url), { policy: policy() });
      return found.checked > 50 && found;
    }, 'the checkpoint');
    expect(report.findings).toEqual([]);
  });

  it('shows whoever listens on the way to its signer no secret, and believes nothing of theirs (G8)', async () => {
    const { WRIT_SIGNER_URL: signerUrl = '', WRIT_SIGNER_SECRET: secret = '' } = audit.signer.serviceEnv;
    const stranger = SignerKey.generate(origin, keyTypes.ed25519).verifier.toString();
    const passed: string[] = [];
    let forges = true;
    const wire = createServer(async (request, response) => {
      const body = await textOf(request);
      const answer = await fetch(signerUrl + request.url, { method: request.method, headers: request.headers as Record<string, string>, ...(body && { body }) });
      const text = await answer.text();
      passed.push(JSON.stringify([request.headers, body, [...answer.headers], text]));
      response.writeHead(answer.status, { 'writ-proof': answer.headers.get('writ-proof') ?? '' }).end(forges ? text.replace(audit.signer.vkey.toString(), stranger).replace(/"size":\d+/, '"size":0') : text);
    });
    wires.push(wire);
    await new Promise<void>((resolve) => { wire.listen(0, '127.0.0.1', resolve); });
    const service = await audit.start({ WRIT_SIGNER_URL: `http://127.0.0.1:${(wire.address() as AddressInfo).port}` });
    const [before] = await audit.query('SELECT max(size) AS size FROM checkpoint');
    await audit.recorded([await say()]);
    await until(() => passed.length >= 2, 'the signer to be asked again');
    expect(await audit.query('SELECT max(size) AS size FROM checkpoint')).toEqual([before]);
    forges = false;
    await audit.recorded([await say()]);
    const size = await audit.signed();
    const report = await until(async () => {
      const found = await verifyLog(urlSource(service.url), { policy: policy() });
      return found.checked >= size && found;
    }, 'the checkpoint');
    expect([report.findings, passed.some((all) => all.includes('Writ-MAC')), passed.some((all) => all.includes(secret))]).toEqual([[], true, false]);
  });
});

describe('a log with a mirror in an object store', () => {
  it('is copied there after each checkpoint, goes on while the store is away, and catches up (G8)', async () => {
    const store = await SignedStore.start();
    const mirror = s3Target({ address: 's3://logs/writ', endpoint: store.endpoint, accessKeyId: store.keyId, secretAccessKey: store.secret });
    const source = tileSource((path) => mirror.get(path));
    const service = await audit.start({ WRIT_AUDIT_MIRROR: 's3://logs/writ', WRIT_AUDIT_MIRROR_ENDPOINT: store.endpoint, WRIT_AUDIT_MIRROR_KEY_ID: store.keyId, WRIT_AUDIT_MIRROR_SECRET: store.secret });
    const mirrored = (size: number) => until(async () => {
      if (!await mirror.get('checkpoint')) return false;
      const report = await verifyLog(source, { policy: policy() });
      expect(report.findings).toEqual([]);
      return report.checked >= size;
    }, `a mirror of ${size} entries`);
    await audit.recorded([await say()]);
    await mirrored(await audit.signed());
    store.failNext = Array.from({ length: 7 }, () => 503);
    await audit.recorded(await Promise.all(Array.from({ length: 50 }, say)));
    const size = await audit.signed();
    await until(() => store.failNext.length === 0, 'the store to be asked in vain', 20_000);
    await mirrored(size);
    expect(await (await fetch(`${service.url}/metrics`)).text()).toMatch(/writ_audit_mirror_behind\{.*\} \d/);
    store.close();
  });
});

describe('a log with a witness', () => {
  it('publishes its cosignature, and says that a split view would be noticed (G8)', async () => {
    const witnessKey = SignerKey.generate('witness.example.com/w1', keyTypes.cosignature);
    const witness = await audit.start({ WRIT_WITNESS_KEY: witnessKey.exportSecret(), WRIT_WITNESS_LOGS_FILE: audit.policyFile(`log ${audit.signer.vkey}\nquorum none\n`), WRIT_FAILURES_PER_SECOND: '1' });
    const alone = (await (await fetch(`${witness.url}/v1/log`)).json()) as LogState;
    expect(alone.splitViewProtected).toBe(false);
    const text = `log ${audit.signer.vkey}\nwitness w1 ${witnessKey.verifier} ${witness.url}/witness\nquorum w1\n`;
    // From here only a replica that asks the witness publishes.
    const service = await audit.start({ WRIT_AUDIT_POLICY_FILE: audit.policyFile(text) });
    const state = await until(async () => {
      await audit.recorded([await say()]);
      const found = (await (await fetch(`${service.url}/v1/log`)).json()) as LogState;
      return found.splitViewProtected && found;
    }, 'a cosigned checkpoint');
    expect(state.cosignatures).toMatchObject([{ name: 'w1' }]);
    const report = await verifyLog({ ...urlSource(service.url), readCheckpoint: async () => Buffer.from(state.checkpoint!) }, { policy: parsePolicy(text) });
    expect(report.verdict?.satisfied).toBe(true);
    // What comes since is signed at once and shown when it is cosigned: at no moment a checkpoint that the policy refuses.
    await audit.recorded([await say()]);
    await audit.signed();
    expect((await verifyLog(urlSource(service.url), { policy: parsePolicy(text) })).findings).toEqual([]);
    // Whoever compares what others were shown reads it at the witness itself.
    const witnessed = await (await fetch(`${witness.url}/witness/${hash('sha256', origin)}/checkpoint`)).text();
    expect(parseNote(witnessed).signatures).toHaveLength(2);
    expect(evaluatePolicy(parsePolicy(text), parseNote(witnessed)).satisfied).toBe(true);
    expect((await fetch(`${witness.url}/witness/${hash('sha256', 'another')}/checkpoint`)).status).toBe(404);
    // A witness that was shown more than was ever published here says that there are two logs.
    await audit.query('UPDATE witnessed SET size = size + 1000000');
    await audit.recorded([await say()]);
    await until(async () => ((await (await fetch(`${service.url}/v1/log`)).json()) as LogState).findings.some(({ code }) => code === 'witness-differs'), 'the fork to be found', 25_000);
    expect((await fetch(`${service.url}/witness/add-checkpoint`, { method: 'POST', body: 'old 0\n' })).status).toBe(404);
    expect((await fetch(`${witness.url}/witness/add-checkpoint`, { method: 'POST', body: 'old 0\n' })).status).toBe(400);
    expect((await fetch(`${witness.url}/witness/add-checkpoint`, { method: 'POST', body: Buffer.from('old 0\n'), headers: { 'content-type': 'application/octet-stream' } })).status).toBe(400);
    const junk = await Promise.all(Array.from({ length: 40 }, () => fetch(`${witness.url}/witness/add-checkpoint`, { method: 'POST', body: 'old 0\n' })));
    expect(new Set(junk.map(({ status, headers }) => `${status} ${headers.has('retry-after')}`))).toEqual(new Set(['400 false', '429 true']));
  });
});
