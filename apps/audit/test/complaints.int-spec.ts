import { Client } from 'pg';
import { queues, type LogEntries } from '@writ/contracts';
import { until, type Tap } from '@writ/testing';
import { appendLeaves, emptyEdge, hashLeaves, parsePolicy, urlSource, verifyLog } from '@writ/tlog';
import { AuditBench } from './audit-bench.js';
import { alive, issued, newRequest, newToken } from './samples.js';

/** What users of other audit logs complain about, each complaint a test. */
let audit: AuditBench;
let tap: Tap;
beforeAll(async () => {
  audit = await AuditBench.create();
  tap = await audit.bench.bus.tap();
  await audit.start({ WRIT_AUDIT_GRACE_SECONDS: '1', WRIT_AUDIT_PATROL_SECONDS: '0.1' });
});
afterAll(() => audit.drop());

const say = () => audit.bench.bus.say('issuer', 'service.alive', alive());
const url = () => audit.services[0]!.url;

describe('complaints about other audit logs', () => {
  it('"a blocked audit device hangs everything" (vault#5361): nobody waits for ours, and what waits for it is counted', async () => {
    await audit.recorded([await say()]);
    const blocker = new Client({ connectionString: audit.bench.database('audit').adminUrl });
    await blocker.connect();
    await blocker.query('BEGIN; LOCK TABLE tlog IN ACCESS EXCLUSIVE MODE');
    // Whoever speaks has their confirm from the broker while the log is blocked; the depth of its queue is the pressure.
    const events = await Promise.all(Array.from({ length: 2_000 }, say));
    await until(async () => (await audit.bench.bus.depth(queues.events('audit'))) > 0, 'the queue to be seen filling');
    expect(await audit.query(`SELECT 1 FROM inbox WHERE message_id = ANY($1) LIMIT 1`, [events])).toEqual([]);
    expect((await fetch(`${url()}/health/live`)).status).toBe(200);
    await blocker.query('ROLLBACK');
    await blocker.end();
    await audit.recorded(events);
  });

  it('"search filters only the page that is loaded" (Teleport): ours finds the oldest entry behind thousands', async () => {
    const tokenId = newToken();
    const needle = await audit.bench.bus.say('issuer', 'token.issued', issued(tokenId, newRequest(), 'zelda'), { aggregateversion: 1 });
    await audit.recorded([needle]);
    await audit.recorded(await Promise.all(Array.from({ length: 1_000 }, say)));
    for (const query of [`token=${tokenId}`, 'actor=zelda', 'type=token.issued', `event=${needle}`]) {
      const { items, next } = (await (await audit.get(audit.services[0]!, `/v1/entries?${query}&limit=1`)).json()) as LogEntries;
      expect([items.map(({ event }) => event), next]).toEqual([[needle], undefined]);
    }
  });

  it('"whoever owns the database recomputes the hashes" (better-auth-audit-logs#14): that fools neither us nor a stranger', async () => {
    await audit.signed();
    await audit.query('SET session_replication_role = replica');
    const leaves = (await audit.query<{ leaf: Buffer }>('SELECT leaf FROM tlog_entry ORDER BY seq')).map(({ leaf }) => leaf);
    const before = leaves[5]!;
    leaves[5] = Buffer.from(before.toString().replace('"issuer"', '"policy"'));
    const { root } = appendLeaves(emptyEdge, hashLeaves(leaves));
    await audit.query('UPDATE tlog_entry SET leaf = $1 WHERE seq = 5', [leaves[5]]);
    await tap.next('audit.finding', ({ code, entry }) => code === 'entry-differs' && entry === 5);
    expect((await audit.signer.ask(leaves.length, root)).status).toBe(409);
    // What was published stays what it was: the recomputed log exists in the database alone.
    expect((await verifyLog(urlSource(url()), { policy: parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`) })).findings).toEqual([]);
    await audit.query('UPDATE tlog_entry SET leaf = $1 WHERE seq = 5', [before]);
  });

  it('"the log was deleted and nobody noticed" (vault#31718): ours says so within seconds, and begins no other', async () => {
    const size = await audit.signed();
    await audit.query(`BEGIN; SELECT 1 FROM tlog FOR UPDATE; DELETE FROM tlog_entry; DELETE FROM tlog_tile; DELETE FROM checkpoint; DELETE FROM inbox;
      UPDATE tlog SET size = 0, root = sha256(''); COMMIT`);
    await tap.next('audit.finding', ({ code }) => code === 'rolled-back');
    const event = await say();
    await until(async () => (await (await fetch(`${url()}/health/ready`)).text()).includes('set back'), 'readiness to say so');
    expect(await audit.query('SELECT 1 FROM tlog_entry')).toEqual([]);
    expect(await audit.query('SELECT 1 FROM tlog_entry WHERE event_id = $1', [event])).toEqual([]);
    // The published files outlive the database.
    expect((await verifyLog(urlSource(url()), { policy: parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`) })).checked).toBeGreaterThanOrEqual(size);
  });
});
