import { until } from '@writ/testing';
import type { EraseAnswer, LogEntries, LogState, ProofBundle } from '@writ/contracts';
import { hashLeaf, hashLeaves, parsePolicy, parseProofFile, urlSource, verifyInclusion, verifyLog, verifyProofFile } from '@writ/tlog';
import { parseLeaf } from '../src/entries/leaf.js';
import { HeadsJob } from '../src/heads/heads.job.js';
import { Sealing } from '../src/heads/heads.js';
import { AuditBench } from './audit-bench.js';
import { alive, issued, newRequest, newToken, revoked, submitted, used } from './samples.js';

let audit: AuditBench;
beforeAll(async () => {
  audit = await AuditBench.create();
  await audit.start({ WRIT_AUDIT_PATROL_SECONDS: '0.1' });
});
afterAll(() => audit.drop());

const url = () => audit.services[0]!.url;
const policy = () => parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`);
const search = async (query: string) => (await (await audit.get(audit.services[0]!, `/v1/entries?${query}`)).json()) as LogEntries;
const erase = async (id: string, who: { groups: string[]; signedInAgo?: number }, body: object = { basis: 'gdpr-art-17' }, headers: Record<string, string> = {}) => fetch(`${url()}/v1/subjects/${encodeURIComponent(id)}/erase`, {
  method: 'POST', headers: { 'content-type': 'application/json', authorization: `Bearer ${await audit.bench.identity.token({ sub: 'otto', ...who })}`, ...headers }, body: JSON.stringify(body),
});

describe('forgetting a person', () => {
  it('leaves every proof valid, says so in the log, and takes nothing of anybody else (G8)', async () => {
    const { bus } = audit.bench;
    const tokenId = newToken();
    const requestId = newRequest();
    const events = [
      await bus.say('request', 'request.submitted', submitted(requestId, 'alice')),
      await bus.say('issuer', 'token.issued', issued(tokenId, requestId, 'alice'), { aggregateversion: 1 }),
      await bus.say('issuer', 'usage.recorded', used(tokenId, 10)),
      await bus.say('issuer', 'token.revoked', revoked(tokenId, 'rita'), { aggregateversion: 2 }),
    ];
    await audit.recorded(events);
    const entry = (await search(`event=${events[0]}`)).items[0]!;
    await audit.signed();
    const proof = await until(async () => {
      const answer = await audit.get(audit.services[0]!, `/v1/entries/${entry.index}/proof`);
      return answer.status === 200 && answer.text();
    }, 'the proof');

    expect((await erase('alice', { groups: ['auditors'] })).status).toBe(403);
    expect((await erase('alice', { groups: ['admins'], signedInAgo: 100_000 })).status).toBe(401);
    expect((await erase('nobody-known', { groups: ['admins'] })).status).toBe(404);
    expect((await erase('alice', { groups: ['admins'] }, { basis: 'Because Alice Smith said so' })).status).toBe(400);
    const answer = await erase('alice', { groups: ['admins'] });
    expect(answer.status).toBe(200);
    const { entries, events: leaves } = (await answer.json()) as EraseAnswer;
    expect(entries).toBe(3);

    expect((await search(`event=${events[0]}`)).items[0]).toMatchObject({ leaf: entry.leaf, disclosures: { length: 1 }, disclosed: { submitter: { sub: 'ci' } } });
    expect((await search('actor=alice')).items).toEqual([]);
    expect((await search(`event=${events[3]}`)).items[0]!.disclosed).toMatchObject({ by: { principal: { sub: 'rita' } } });
    expect(verifyProofFile(parseProofFile(proof), hashLeaf(Buffer.from(entry.leaf)), policy()).satisfied).toBe(true);
    const erased = (await search(`event=${leaves[0]}`)).items[0]!;
    expect(JSON.parse(erased.leaf)).toMatchObject({ type: 'pii.erased', data: { basis: 'gdpr-art-17' } });
    expect(erased.disclosed).toMatchObject({ by: { sub: 'otto' } });

    await audit.signed();
    expect((await verifyLog(urlSource(url()), { policy: policy() })).findings).toEqual([]);
    // The uses of Alice's token are forgotten too; the others in the batch are still provable.
    const bundle = (await (await audit.get(audit.services[0]!, `/v1/tokens/${tokenId}/proof-bundle`)).json()) as ProofBundle;
    expect(bundle.uses).toEqual([]);
    const [batch] = await audit.query<{ hashes: Buffer; leaf: Buffer }>('SELECT hashes, leaf FROM use_batch JOIN tlog_entry USING (log_id, seq)');
    expect(batch!.hashes.length).toBe(320);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(((await (await fetch(`${url()}/v1/log`)).json()) as LogState).findings).toEqual([]);
  });

  it('records a person who comes back under a new key', async () => {
    const event = await audit.bench.bus.say('request', 'request.submitted', submitted(newRequest(), 'alice'));
    await audit.recorded([event]);
    expect((await search('actor=alice')).items.map((entry) => entry.event)).toEqual([event]);
  });
});

describe('what could not be taken', () => {
  it('has a leaf of its own with the digest of its bytes (G8)', async () => {
    const junk = Buffer.from('{ not json');
    await audit.bench.bus.publish('writ-issuer', 'writ.events', 'service.alive', junk);
    const entry = await until(async () => (await search('type=audit.rejected')).items[0], 'the leaf');
    expect(JSON.parse(entry.leaf)).toMatchObject({ data: { service: 'audit', code: 'malformed-json', bodyDigest: expect.stringMatching(/^sha256:/) } });
  });

  it('contradicts the first event where it reuses its id (G8)', async () => {
    const envelope = { id: 'evt-once', time: '2026-01-01T00:00:00Z' };
    await audit.bench.bus.say('issuer', 'service.alive', alive(), envelope);
    await audit.recorded(['evt-once']);
    await audit.bench.bus.say('issuer', 'service.alive', alive(), { ...envelope, time: '2027-01-01T00:00:00Z' });
    const entry = await until(async () => (await search('type=audit.conflict')).items[0], 'the conflict');
    expect(JSON.parse(entry.leaf)).toMatchObject({ data: { code: 'id-reused' } });
  });
});

describe('sealed heads', () => {
  it('prove which entry of a token is its newest, and are sealed once a day (G8)', async () => {
    const job = audit.services[0]!.app.get(HeadsJob);
    await job.round();
    await job.round();
    const found = await audit.query<{ leaf: Buffer }>(`SELECT leaf FROM tlog_entry WHERE type = 'log.heads'`);
    expect(found).toHaveLength(1);
    const { data } = parseLeaf(found[0]!.leaf);
    const heads = await audit.query<{ token: string; index: string; k: number }>(
      `SELECT token_id AS token, max(seq) AS index, max(k) AS k FROM tlog_entry WHERE token_id IS NOT NULL AND seq < $1 GROUP BY 1 ORDER BY token_id COLLATE "C"`, [data!.size]);
    expect(heads).toHaveLength(1);
    const sealing = new Sealing(Number(data!.size));
    sealing.add(heads.map(({ token, index, k }) => ({ token, index: Number(index), k })));
    const expected = sealing.end().facts;
    expect(data).toMatchObject({ root: expected.root, tokens: '1' });
    const leaf = hashLeaves([Buffer.from(`${heads[0]!.token} ${heads[0]!.index} 2`)]);
    expect(verifyInclusion(0, 1, leaf, [], Buffer.from(expected.root, 'base64'))).toBe(true);

    await audit.signed();
    const { newest } = await until(async () => {
      const bundle = (await (await audit.get(audit.services[0]!, `/v1/tokens/${heads[0]!.token}/proof-bundle`)).json()) as ProofBundle;
      return bundle.newest && bundle;
    }, 'the heads to be signed');
    expect(newest).toMatchObject({ index: Number(heads[0]!.index), k: 2, place: 0, proof: [] });
    expect(verifyProofFile(parseProofFile(newest!.heads.proof), hashLeaf(Buffer.from(newest!.heads.leaf)), policy()).satisfied).toBe(true);
  });
});

describe('forgetting a person whose token lives on', () => {
  it('takes what the token said since, each time (G8)', async () => {
    const { bus } = audit.bench;
    const tokenId = newToken();
    const requestId = newRequest();
    const usesOf = async () => ((await (await audit.get(audit.services[0]!, `/v1/tokens/${tokenId}/proof-bundle`)).json()) as ProofBundle).uses;
    await audit.recorded([
      await bus.say('request', 'request.submitted', submitted(requestId, 'bea')),
      await bus.say('issuer', 'token.issued', issued(tokenId, requestId, 'bea'), { aggregateversion: 1 }),
    ]);
    for (let time = 0; time < 2; time++) {
      await audit.recorded([await bus.say('issuer', 'usage.recorded', used(tokenId, 10))]);
      await audit.signed();
      await until(async () => (await usesOf()).length === 5, 'the uses');
      const before = await audit.query<{ key: Buffer }>('SELECT key FROM subject');
      expect((await erase('bea', { groups: ['admins'] })).status).toBe(200);
      expect(await usesOf()).toEqual([]);
      // No key under which anything of hers was encrypted is left, and backups without keys hold nothing readable.
      const left = new Set((await audit.query<{ key: Buffer }>('SELECT key FROM subject')).map(({ key }) => key.toString('hex')));
      expect(before.filter(({ key }) => !left.has(key.toString('hex'))).length).toBeGreaterThanOrEqual(time === 0 ? 3 : 1);
    }
  });

  it('takes of a token that changed hands what it said under them, and nothing of its other owner (G8)', async () => {
    const { bus } = audit.bench;
    const tokenId = newToken();
    const requestId = newRequest();
    const party = (id: string) => ({ id, team: 'orders' });
    const usesOf = async () => ((await (await audit.get(audit.services[0]!, `/v1/tokens/${tokenId}/proof-bundle`)).json()) as ProofBundle).uses.map(({ batch }) => batch);
    const use = async () => {
      const event = await bus.say('issuer', 'usage.recorded', used(tokenId, 2));
      await audit.recorded([event]);
      return (await search(`event=${event}`)).items[0]!.index;
    };
    await audit.recorded([await bus.say('issuer', 'token.issued', issued(tokenId, requestId, 'dora'), { aggregateversion: 1 })]);
    const under = [await use()];
    await audit.recorded([await bus.say('issuer', 'token.transferred', {
      tokenId, requestId, from: party('dora'), to: party('emil'), claimant: { iss: 'https://id.example', sub: 'emil' }, by: { kind: 'issuer' }, seq: 9,
    }, { aggregateversion: 2 })]);
    under.push(await use());
    await audit.signed();
    await until(async () => (await usesOf()).length === 2, 'the uses under both');
    expect(await usesOf()).toEqual(under);
    expect((await erase('emil', { groups: ['admins'] })).status).toBe(200);
    expect(await usesOf()).toEqual([under[0]]);
    const erasing = () => erase('dora', { groups: ['admins'] }, undefined, { 'idempotency-key': 'dora-once' });
    const [first, replayed] = [await erasing(), await erasing()];
    expect(await usesOf()).toEqual([]);
    // A repeated call is answered as the first was, its receipts included.
    const answered = async (answer: Response) => [answer.status, answer.headers.get('x-audit-receipt'), await answer.json()];
    const once = await answered(first);
    expect(once).toEqual([200, expect.stringMatching(/^evt_/), expect.objectContaining({ entries: expect.any(Number) as number })]);
    expect(await answered(replayed)).toEqual(once);
  });

  it('leaves a backup without the table of keys unreadable, whole and openable again with it (G8)', async () => {
    const event = await audit.bench.bus.say('request', 'request.submitted', submitted(newRequest(), 'cleo'));
    await audit.recorded([event]);
    await audit.query('CREATE TABLE kept AS SELECT * FROM subject');
    await audit.query('UPDATE subject SET key = decode(repeat($1, 32), $2)', ['00', 'hex']);
    const without = (await search(`event=${event}`)).items[0]!;
    expect([without.disclosures, without.disclosed]).toEqual([[], {}]);
    expect(without.leaf).not.toContain('cleo');
    await audit.query('UPDATE subject SET key = kept.key FROM kept WHERE kept.subject_id = subject.subject_id');
    expect((await search(`event=${event}`)).items[0]!.disclosed).toMatchObject({ requester: { id: 'cleo' } });
    await audit.query('DROP TABLE kept');
  });
});
