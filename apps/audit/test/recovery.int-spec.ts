import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { until } from '@writ/testing';
import { parseCheckpoint, parseNote, parsePolicy, urlSource, verifyLog } from '@writ/tlog';
import { parseLeaf } from '../src/entries/leaf.js';
import * as migrations from '../src/migrations/index.js';
import { AuditBench } from './audit-bench.js';
import { alive, issued, newRequest, newToken } from './samples.js';

const root = resolve(import.meta.dirname, '../../..');
const run = promisify(execFile);
let audit: AuditBench;
beforeAll(async () => {
  await run(process.execPath, [join(root, 'node_modules/tsc7/bin/tsc'), '-b', join(root, 'apps/audit')]);
  audit = await AuditBench.create();
});
afterAll(() => audit.drop());

/** The program as an operator runs it. */
async function recover(): Promise<{ stdout: string; stderr: string; code: number }> {
  const env = await audit.bench.env('audit', migrations, { ...audit.signer.serviceEnv, WRIT_AUDIT_SITE_DIR: join(audit.bench.dir, 'site-0') });
  return run(process.execPath, [join(root, 'apps/audit/dist/recover/main.js')], { env: { ...process.env, ...env } }).then(
    ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }), (error: { stdout: string; stderr: string; code: number }) => error,
  );
}

const checkpoint = async (url: string) => parseCheckpoint(parseNote(await (await fetch(`${url}/checkpoint`)).text()).text);
const heads = () => audit.query<{ size: string; root: Buffer }>('SELECT size, root FROM tlog');

describe('a database set back to a backup', () => {
  it('is refused, recovered from the published files to the very same root, and grows on (G8)', async () => {
    const service = await audit.start();
    const { bus } = audit.bench;
    const say = (count: number) => Promise.all(Array.from({ length: count }, () => bus.say('issuer', 'service.alive', alive())));
    await audit.recorded(await say(300));
    await audit.signed();
    // The backup.
    for (const table of ['tlog', 'tlog_entry', 'tlog_tile', 'inbox', 'checkpoint']) await audit.query(`CREATE TABLE backup_${table} AS SELECT * FROM ${table}`);
    const tokenId = newToken();
    const later = [...await say(300), await bus.say('issuer', 'token.issued', issued(tokenId, newRequest(), 'alice'), { aggregateversion: 1 })];
    await audit.recorded(later);
    await audit.signed();
    const last = await until(async () => {
      const published = await checkpoint(service.url);
      return published.size > 601 && published;
    }, 'the last checkpoint before the disaster');
    await service.close();
    audit.services.length = 0;

    await audit.query('SET session_replication_role = replica');
    const restore = async () => {
      for (const table of ['tlog', 'tlog_entry', 'tlog_tile', 'inbox', 'checkpoint']) {
        await audit.query(`DELETE FROM ${table}`);
        await audit.query(`INSERT INTO ${table} ${table === 'tlog' ? 'OVERRIDING SYSTEM VALUE' : ''} SELECT * FROM backup_${table}`);
      }
    };
    await restore();
    await audit.query('SET session_replication_role = DEFAULT');

    // Nothing is appended, published or signed over the loss.
    const [before] = await heads();
    const refusing = await audit.start();
    const meanwhile = await bus.say('issuer', 'service.alive', alive());
    await new Promise((resolve) => setTimeout(resolve, 800));
    expect((await heads())[0]!.size).toBe(before!.size);
    expect(await (await fetch(`${refusing.url}/health/ready`)).text()).toContain('set back');
    await refusing.close();
    audit.services.length = 0;

    const recovered = await recover();
    expect(recovered.stderr).not.toContain('not recovered');
    expect(recovered.stdout).toContain(`Recovered the entries ${before!.size} to ${last.size - 1}; the root is the signed one.`);
    expect((await recover()).stdout).toContain('has all');

    const again = await audit.start();
    await audit.recorded([...later, meanwhile]);
    await audit.signed();
    const report = await until(async () => {
      const found = await verifyLog(urlSource(again.url), { policy: parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`), remembered: [last] });
      return found.checked > last.size && found;
    }, 'a checkpoint that covers what came since');
    expect(report.findings).toEqual([]);
    const [said] = await audit.query<{ leaf: Buffer }>(`SELECT leaf FROM tlog_entry WHERE type = 'log.recovered'`);
    expect(parseLeaf(said!.leaf).data).toEqual({ from: before!.size, to: String(last.size) });
    expect((await audit.query('SELECT 1 FROM tlog_entry WHERE token_id = $1', [tokenId])).length).toBe(1);
  }, 120_000);

  it('is not recovered over entries that were never published', async () => {
    await Promise.all(audit.services.splice(0).map((service) => service.close()));
    await audit.query('SET session_replication_role = replica');
    await audit.query('UPDATE tlog SET size = 10, root = $1', [Buffer.alloc(32, 1)]);
    const refused = await recover();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('are not those that were published');
  }, 60_000);
});
