import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { execFileSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { until } from '@writ/testing';
import type { LogState } from '@writ/contracts';
import { folderSource, keyTypes, parsePolicy, SignerKey, urlSource, verifyLog } from '@writ/tlog';
import * as migrations from '../src/migrations/index.js';
import { AuditBench } from './audit-bench.js';
import { alive } from './samples.js';

const root = resolve(import.meta.dirname, '../../..');
let audit: AuditBench;
beforeAll(async () => {
  audit = await AuditBench.create();
});
afterEach(async () => {
  await Promise.all(audit.services.splice(0).map((service) => service.close()));
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

  it('loses, doubles and contradicts nothing when its processes are killed again and again (G2, G8)', async () => {
    execFileSync(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', join(root, 'apps/audit')]);
    const env = await audit.bench.env('audit', migrations, { ...audit.signer.serviceEnv, WRIT_BATCH: '20' });
    const replica = (site: string) => spawn(process.execPath, [join(root, 'apps/audit/dist/main.js')], {
      env: { ...process.env, ...env, WRIT_AUDIT_SITE_DIR: join(audit.bench.dir, site) }, stdio: 'ignore',
    });
    const kill = async (child: ChildProcess) => {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    };
    const replicas = ['one', 'two'].map((site) => ({ site, child: replica(site) }));
    const events: string[] = [];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 4; i++) events.push(...await Promise.all(Array.from({ length: 40 }, say)));
      await new Promise((done) => setTimeout(done, 300 + Math.random() * 700));
      const victim = replicas[round % 2]!;
      await kill(victim.child);
      if (round % 2 === 1) {
        await audit.signer.kill();
        await audit.signer.start();
      }
      victim.child = replica(victim.site);
    }
    await audit.recorded(events);
    await audit.signed();
    const [count] = await audit.query<{ n: string; places: string }>(`SELECT count(*) AS n, max(seq) + 1 AS places FROM tlog_entry`);
    expect(count!.n).toBe(count!.places);
    expect((await audit.query('SELECT event_id FROM tlog_entry GROUP BY 1 HAVING count(*) > 1'))).toEqual([]);
    for (const { site, child } of replicas) {
      const report = await until(async () => {
        const found = await verifyLog(folderSource(join(audit.bench.dir, site)), { policy: policy() });
        return found.checked >= events.length && found;
      }, 'all to be published');
      expect(report.findings).toEqual([]);
      await kill(child);
    }
  }, 60_000);
});

describe('a log with a witness', () => {
  it('publishes its cosignature, and says that a split view would be noticed (G8)', async () => {
    const witnessKey = SignerKey.generate('witness.example.com/w1', keyTypes.cosignature);
    const witness = await audit.start({ WRIT_WITNESS_KEY: witnessKey.exportSecret(), WRIT_WITNESS_LOGS_FILE: audit.policyFile(`log ${audit.signer.vkey}\nquorum none\n`) });
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
    expect((await fetch(`${service.url}/witness/add-checkpoint`, { method: 'POST', body: 'old 0\n' })).status).toBe(404);
    expect((await fetch(`${witness.url}/witness/add-checkpoint`, { method: 'POST', body: 'old 0\n' })).status).toBe(400);
    expect((await fetch(`${witness.url}/witness/add-checkpoint`, { method: 'POST', body: Buffer.from('old 0\n'), headers: { 'content-type': 'application/octet-stream' } })).status).toBe(400);
  });
});
