import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { EraseAnswer, LogEntries, LogState } from '@writ/contracts';
import { checkLog } from '@writ/site';
import { until } from '@writ/testing';
import { parseCheckpoint, parseNote, parsePolicy, urlSource } from '@writ/tlog';
import { parseLeaf } from '../src/entries/leaf.js';
import * as migrations from '../src/migrations/index.js';
import { AuditBench } from './audit-bench.js';
import { alive, approved, issued, newRequest, newToken, submitted } from './samples.js';

const root = resolve(import.meta.dirname, '../../..');
const run = promisify(execFile);
let audit: AuditBench;
beforeAll(async () => {
  await run(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', join(root, 'apps/audit'), join(root, 'apps/cli')]);
  audit = await AuditBench.create();
});
afterAll(() => audit.drop());

/** Two days ahead, as a machine's clock may be: what counts is the database's. */
const wrongClock = '--import=data:text/javascript,const{now}=Date;Date.now=()=>now()+172800000';

/** The program as an operator runs it. */
async function recover(...args: string[]): Promise<{ stdout: string; stderr: string; code: number }> {
  const env = await audit.bench.env('audit', migrations, { ...audit.signer.serviceEnv });
  return run(process.execPath, [join(root, 'apps/cli/dist/main.js'), 'audit', 'recover', '--from', join(audit.bench.dir, 'site-0'), ...args], { env: { ...process.env, ...env, NODE_OPTIONS: wrongClock } }).then(
    ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }), (error: { stdout: string; stderr: string; code: number }) => error,
  );
}

const checkpoint = async (url: string) => parseCheckpoint(parseNote(await (await fetch(`${url}/checkpoint`)).text()).text);
const heads = () => audit.query<{ size: string; root: Buffer }>('SELECT size, root FROM tlog');
const stop = () => Promise.all(audit.services.splice(0).map((service) => service.close()));

async function eraseAlice(url: string): Promise<EraseAnswer> {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${await audit.bench.identity.token({ sub: 'otto', groups: ['admins'] })}` };
  return (await (await fetch(`${url}/v1/subjects/alice/erase`, { method: 'POST', headers, body: '{"basis":"gdpr-art-17"}' })).json()) as EraseAnswer;
}

/** Every table as it is now, and a way to set the database back to it. */
async function backUp(): Promise<() => Promise<void>> {
  const tables = (await audit.query<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%migration%'`)).map(({ name }) => name);
  await audit.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; ${tables.map((table) => `CREATE TABLE backup.${table} AS SELECT * FROM ${table};`).join(' ')} COMMIT`);
  return async () => {
    await audit.query('SET session_replication_role = replica');
    for (const table of tables) {
      await audit.query(`DELETE FROM ${table}`);
      await audit.query(`INSERT INTO ${table} OVERRIDING SYSTEM VALUE SELECT * FROM backup.${table}`);
    }
    await audit.query('SET session_replication_role = DEFAULT');
  };
}

describe('a database set back to a backup', () => {
  it('is recovered from the published files to the very same root, forgets nobody twice over, and grows on without a finding (G8)', async () => {
    const service = await audit.start();
    const { bus } = audit.bench;
    const say = (count: number) => Promise.all(Array.from({ length: count }, () => bus.say('issuer', 'service.alive', alive())));
    const requestId = newRequest();
    await audit.recorded([await bus.say('request', 'request.submitted', submitted(requestId, 'alice')), await bus.say('policy', 'request.approved', approved(requestId)), ...await say(300)]);
    await audit.signed();
    await audit.query('CREATE SCHEMA backup');
    const restore = await backUp();
    const [before] = await audit.query<{ size: string; root: Buffer }>('SELECT size, root FROM backup.tlog');
    const tokenId = newToken();
    const later = [...await say(300), await bus.say('issuer', 'token.issued', issued(tokenId, requestId, 'alice'), { aggregateversion: 1 })];
    await audit.recorded(later);
    const { events: [erased] } = await eraseAlice(service.url);
    await audit.signed();
    const last = await until(async () => {
      const published = await checkpoint(service.url);
      return published.size > 604 && published;
    }, 'the last checkpoint before the disaster');
    await stop();
    await restore();
    // Said while nobody recorded, and waiting in the queue.
    const meanwhile = await bus.say('issuer', 'service.alive', alive());

    // A file that was damaged on its way is refused before anything is written.
    const bundle = join(audit.bench.dir, 'site-0/tile/entries/001');
    const bytes = readFileSync(bundle);
    writeFileSync(bundle, Buffer.from(bytes).fill(bytes.at(-20)! ^ 1, bytes.length - 20, bytes.length - 19));
    expect(await recover()).toMatchObject({ code: 1, stderr: expect.stringContaining('do not have the hashes of tile/0/001') as string });
    expect((await heads())[0]).toEqual(before);
    writeFileSync(bundle, bytes);

    // Whoever was erased since the backup came back with it, and is erased again.
    const recovered = await recover();
    expect(recovered).toMatchObject({ code: 0, stderr: '' });
    expect(recovered.stdout).toBe(`Erased again: 2 of the people, requests and tokens that were erased since the backup and came back with it.\nRecovered the entries ${before!.size} to ${last.size - 1}; the root is the signed one.\n`);
    expect(await recover()).toMatchObject({ code: 0, stdout: expect.stringContaining('has all') as string });

    const torn = join(audit.bench.dir, 'site-0/tile/0/000.1-1.tmp');
    writeFileSync(torn, 'what a process wrote as it died');
    const again = await audit.start({ WRIT_AUDIT_PATROL_SECONDS: '0.1', WRIT_AUDIT_GRACE_SECONDS: '1' });
    expect(existsSync(torn)).toBe(false);
    await audit.recorded([...later, meanwhile, erased!]);
    await audit.signed();
    const report = await until(async () => {
      const found = await checkLog(urlSource(again.url), { policy: parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`), remembered: [last] });
      return found.checked > last.size && found;
    }, 'a checkpoint that covers what came since');
    expect([report.findings, report.omissions]).toEqual([[], []]);
    const [said] = await audit.query<{ leaf: Buffer }>(`SELECT leaf FROM tlog_entry WHERE type = 'log.recovered'`);
    expect(parseLeaf(said!.leaf).data).toEqual({ from: before!.size, to: String(last.size) });
    expect((await audit.query('SELECT 1 FROM tlog_entry WHERE token_id = $1', [tokenId])).length).toBe(1);
    const { items } = (await (await audit.get(again, '/v1/entries?type=request.submitted')).json()) as LogEntries;
    expect(items.map(({ disclosed }) => disclosed)).toEqual([{ submitter: { iss: 'urn:writ:upstream', sub: 'ci' } }]);
    const patrolled = /^writ_audit_patrol_seconds\{.*\} (?!0$)/m;
    await until(async () => patrolled.test(await (await fetch(`${again.url}/metrics`)).text()), 'a cycle of the patrol');
    expect(((await (await fetch(`${again.url}/v1/log`)).json()) as LogState).findings).toEqual([]);
  }, 120_000);

  it('takes no entry and signs nothing before it is recovered (G8)', async () => {
    await stop();
    await audit.query('SET session_replication_role = replica');
    await audit.query('UPDATE tlog SET size = 10, root = $1', [Buffer.alloc(32, 1)]);
    const refusing = await audit.start();
    await audit.bench.bus.say('issuer', 'service.alive', alive());
    await until(async () => (await (await fetch(`${refusing.url}/health/ready`)).text()).includes('set back'), 'the refusal');
    expect((await heads())[0]!.size).toBe('10');
    await stop();
  }, 60_000);

  it('is not recovered over entries that were never published', async () => {
    expect(await recover()).toMatchObject({ code: 1, stderr: expect.stringContaining('do not have its root') as string });
  }, 60_000);
});
