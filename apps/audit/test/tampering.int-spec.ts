import { until } from '@writ/testing';
import { AuditBench } from './audit-bench.js';
import { alive } from './samples.js';

let audit: AuditBench;
beforeAll(async () => {
  audit = await AuditBench.create();
  await audit.start();
  await audit.recorded(await Promise.all(Array.from({ length: 20 }, () => audit.bench.bus.say('issuer', 'service.alive', alive()))));
  await audit.signed();
});
afterAll(() => audit.drop());

const say = () => audit.bench.bus.say('issuer', 'service.alive', alive());
const size = async () => Number((await audit.query<{ size: string }>('SELECT size FROM tlog'))[0]!.size);
const troubles = async () => (await fetch(`${audit.services[0]!.url}/health/ready`)).text();

describe('a log that somebody edited', () => {
  it('refuses to change or delete what was recorded, for every role of its own (G8)', async () => {
    for (const statement of [`UPDATE tlog_entry SET type = 'x'`, 'DELETE FROM tlog_entry', 'TRUNCATE tlog_entry', 'DELETE FROM checkpoint', 'DELETE FROM tlog_tile']) {
      await expect(audit.query(statement)).rejects.toThrow('only grows');
    }
  });

  it('takes no more leaves once its edge differs, keeps the messages, and goes on when it is mended (G8)', async () => {
    const flip = `UPDATE tlog_tile SET data = set_byte(data, 3, get_byte(data, 3) # 1) WHERE level = 0 AND n = 0`;
    await audit.query(flip);
    const before = await size();
    const event = await say();
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(await size()).toBe(before);
    expect(await audit.query('SELECT 1 FROM inbox_waiting')).toEqual([]);
    await audit.query(flip);
    await audit.recorded([event]);
  });

  it('publishes and signs nothing for an entry that changed after its commit, and says why (G8)', async () => {
    await audit.signer.kill(); // Holds the publisher back, so that the entry is committed and not yet signed.
    const event = await say();
    await audit.recorded([event]);
    await audit.query('ALTER TABLE tlog_entry DISABLE TRIGGER only_grows');
    await audit.query(`UPDATE tlog_entry SET leaf = convert_to(replace(convert_from(leaf, 'utf8'), '"issuer"', '"policy"'), 'utf8') WHERE event_id = $1`, [event]);
    const [before] = await audit.query<{ n: string }>('SELECT max(size) AS n FROM checkpoint');
    await audit.signer.start();
    await until(async () => (await troubles()).includes('do not have the root of the log'), 'the trouble to be said');
    expect((await audit.query<{ n: string }>('SELECT max(size) AS n FROM checkpoint'))[0]!.n).toBe(before!.n);
  });
});
