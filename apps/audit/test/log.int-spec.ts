import type { Service } from '@writ/service';
import { until } from '@writ/testing';
import type { LogEntries, LogState, ProofBundle } from '@writ/contracts';
import { hashLeaf, hashLeaves, parsePolicy, parseProofFile, urlSource, verifyInclusion, verifyLog, verifyProofFile } from '@writ/tlog';
import { digestOfDisclosure, opened } from '../src/entries/disclosure.js';
import { parseLeaf, type Leaf } from '../src/entries/leaf.js';
import { AuditBench } from './audit-bench.js';
import { alive, approved, issued, newRequest, newToken, recorded, revoked, submitted, used } from './samples.js';

let audit: AuditBench;
beforeAll(async () => {
  audit = await AuditBench.create();
  await audit.start();
  await audit.start();
});
afterAll(() => audit.drop());

const policy = () => parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`);

/** Says a token's whole life. @returns the events' ids */
async function life(who: string) {
  const tokenId = newToken();
  const requestId = newRequest();
  const { bus } = audit.bench;
  const events = [
    await bus.say('request', 'request.submitted', submitted(requestId, who)),
    await bus.say('policy', 'review.recorded', recorded(requestId, 'rita')),
    await bus.say('policy', 'request.approved', approved(requestId)),
    await bus.say('issuer', 'token.issued', issued(tokenId, requestId, who), { aggregateversion: 1, producer: 'issuer/0', producerseq: '1' }),
    await bus.say('issuer', 'usage.recorded', used(tokenId, 100)),
  ];
  await audit.recorded(events); // Queues have no order between them.
  events.push(await bus.say('issuer', 'token.revoked', revoked(tokenId, who), { aggregateversion: 2, producer: 'issuer/0', producerseq: '2' }));
  await audit.recorded(events);
  return { tokenId, requestId, events };
}

/** Asks for proofs of entries under the checkpoint that is shown, and checks each, until the writing has ended. @returns how many held */
async function readUntil(service: Service, writing: Promise<unknown>): Promise<number> {
  let isOver = false;
  const over = writing.finally(() => { isOver = true; });
  let held = 0;
  do {
    const { signedSize } = (await (await fetch(`${service.url}/v1/log`)).json()) as LogState;
    const index = Math.floor(Math.random() * signedSize);
    const [row] = await audit.query<{ leaf: Buffer }>('SELECT leaf FROM tlog_entry WHERE seq = $1', [index]);
    const answer = await audit.get(service, `/v1/entries/${index}/proof`);
    if (answer.status !== 200) continue; // Not shown here yet.
    expect(verifyProofFile(parseProofFile(await answer.text()), hashLeaf(row!.leaf), policy()).satisfied).toBe(true);
    held += 1;
  } while (!isOver);
  await over;
  return held;
}

describe('the audit log', () => {
  it('turns every event into one leaf under a signed checkpoint that strangers verify by URL (G8)', async () => {
    const { events } = await life('alice');
    const size = await audit.signed();
    for (const { url } of audit.services) {
      await until(async () => ((await (await fetch(`${url}/v1/log`)).json()) as LogState).signedSize >= size && (await (await fetch(`${url}/checkpoint`)).text()).split('\n')[1]! >= String(size), 'both replicas to publish');
      const ids: string[] = [];
      const report = await verifyLog(urlSource(url), { policy: policy(), onEntries: (entries) => { for (const entry of entries) ids.push(parseLeaf(entry).id); } });
      expect(report.findings).toEqual([]);
      expect(report.checked).toBeGreaterThanOrEqual(events.length);
      for (const event of events) expect(ids.filter((id) => id === event)).toHaveLength(1);
    }
  });

  it('keeps one leaf per event under repetition and two replicas at once, while readers prove what is there (G2, G8)', async () => {
    const { bus } = audit.bench;
    const bodies = Array.from({ length: 300 }, (_, i) => ({ id: `evt-twice-${i}`, time: '2026-01-01T00:00:00Z' }));
    const say = (envelope: object) => bus.say('issuer', 'service.alive', alive(), { subject: 'x', ...envelope });
    const writing = Promise.all([...bodies, ...bodies, ...bodies].map(say)).then(() => audit.recorded(bodies.map(({ id }) => id)));
    const readers = await Promise.all(audit.services.map((service) => readUntil(service, writing)));
    expect(Math.min(...readers)).toBeGreaterThan(0);
    // Also when the inbox has forgotten them.
    await audit.query('DELETE FROM inbox');
    await Promise.all(bodies.map(say));
    const last = await bus.say('issuer', 'service.alive', alive());
    await audit.recorded([last]);
    const [count] = await audit.query<{ n: string; seqs: string; most: string }>(
      `SELECT count(*) FILTER (WHERE event_id LIKE 'evt-twice-%') AS n, count(*) AS seqs, max(seq) + 1 AS most FROM tlog_entry`);
    expect(count!.n).toBe('300');
    expect(count!.seqs).toBe(count!.most);
  });

  it('records an event that reuses an id with another content beside the first, never in its place (G8)', async () => {
    const { bus } = audit.bench;
    const envelope = { id: 'evt-reused', time: '2026-01-01T00:00:00Z', subject: 'x' };
    const tap = await bus.tap();
    await bus.say('issuer', 'service.alive', alive(), envelope);
    await audit.recorded(['evt-reused']);
    await audit.query('DELETE FROM inbox');
    for (let i = 0; i < 2; i++) await bus.say('issuer', 'service.alive', { ...alive(), at: '2027-01-01T00:00:00Z' }, envelope);
    const conflicts = () => audit.query<{ leaf: Buffer }>(`SELECT leaf FROM tlog_entry WHERE event_id LIKE 'evt-reused#%'`);
    await until(async () => (await conflicts()).length > 0, 'the conflict');
    const last = await bus.say('issuer', 'service.alive', alive());
    await audit.recorded([last]);
    expect(await conflicts()).toHaveLength(1);
    expect((await tap.next('audit.finding', ({ code }) => code === 'event-conflict')).envelope.data).toMatchObject({ entry: expect.any(Number) as number });
    expect(parseLeaf((await conflicts())[0]!.leaf)).toMatchObject({ type: 'audit.conflict', data: { event: 'evt-reused' } });
  });

  it('takes an event with thousands of fields into a leaf that is published, and parks what cannot have one (G8)', async () => {
    const { bus } = audit.bench;
    const junk = (value: (i: number) => unknown) => Object.fromEntries(Array.from({ length: 1_600 }, (_, i) => [`junk${i}`, value(i)]));
    const long = await bus.say('issuer', 'service.alive', { ...alive(), ...junk((i) => i) });
    const crowded = await bus.say('issuer', 'service.alive', { ...alive(), ...junk((i) => ({ sub: `person ${i}` })) });
    await audit.recorded([long]);
    await until(async () => (await audit.query(`SELECT 1 FROM inbox_waiting WHERE message_id = $1 AND state = 'parked' AND code = 'too-large'`, [crowded])).length > 0, 'the parking');
    const size = await audit.signed();
    await until(async () => {
      const report = await verifyLog(urlSource(audit.services[0]!.url), { policy: policy() });
      expect(report.findings).toEqual([]);
      return report.checked >= size;
    }, 'all of it to be published');
  });

  it('holds no personal field in a leaf, and opens each by itself (G8)', async () => {
    const { events } = await life('zoe@example.com');
    await audit.signed();
    const { items } = await search(`event=${events[0]}`);
    expect(items[0]!.leaf).not.toContain('zoe');
    expect(items[0]!.disclosed).toMatchObject({ reason: 'nightly export for zoe@example.com', requester: { id: 'zoe@example.com' } });
    const leaf = JSON.parse(items[0]!.leaf) as Leaf;
    expect(items[0]!.disclosures.map(digestOfDisclosure).sort()).toEqual(leaf._sd);
    const [stored] = await audit.query<{ n: string }>(`SELECT count(*) AS n FROM disclosure WHERE position('zoe'::bytea in box) > 0`);
    expect(stored!.n).toBe('0');
  });

  it('finds entries over the whole log by token, actor, type and event, page by page', async () => {
    const { tokenId, events } = await life('bob');
    expect((await search(`token=${tokenId}`)).items.map(({ type }) => type)).toEqual(['token.revoked', 'token.issued']);
    expect((await search('actor=bob')).items.map(({ event }) => event)).toEqual([events[5], events[3], events[0]]);
    expect((await search(`type=token.revoked&limit=1`)).items[0]).toMatchObject({ tokenId });
    const from = (await search(`event=${events[0]}`)).items[0]!.recordedAt;
    expect((await search(`type=request.submitted&from=${from}`)).items.map(({ event }) => event)).toContain(events[0]);
    expect((await search(`type=request.submitted&to=${from}`)).items.map(({ event }) => event)).not.toContain(events[0]);
    const seen: number[] = [];
    for (let cursor: string | undefined = ''; cursor !== undefined;) {
      const page: LogEntries = await search(`type=service.alive&limit=100&cursor=${cursor}`);
      seen.push(...page.items.map(({ index }) => index));
      cursor = page.next;
    }
    const [all] = await audit.query<{ n: string }>(`SELECT count(*) AS n FROM tlog_entry WHERE type = 'service.alive'`);
    expect(seen.length).toBe(Number(all!.n));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('links a token’s entries: its ordinal, its producer’s number and the entry before it (G8)', async () => {
    const { tokenId } = await life('carol');
    const [last, first] = (await search(`token=${tokenId}`)).items;
    expect(JSON.parse(first!.leaf)).toMatchObject({ k: '1', n: '1', src: 'issuer/0', token: tokenId });
    expect(JSON.parse(last!.leaf)).toMatchObject({ k: '2', n: '2', src: 'issuer/0', prev: String(first!.index) });
  });

  it('proves a token’s whole life, each use included, in one file without us (G8)', async () => {
    const { tokenId, requestId, events } = await life('dave');
    await audit.signed();
    const bundle = await until(async () => {
      const found = (await (await audit.get(audit.services[0]!, `/v1/tokens/${tokenId}/proof-bundle`)).json()) as ProofBundle;
      return found.entries?.length === events.length && found;
    }, 'the whole life');
    expect(bundle.requestId).toBe(requestId);
    // In the log's order; events that two replicas took at once may have overtaken one another.
    expect(bundle.entries.map(({ leaf }) => (JSON.parse(leaf) as Leaf).id).sort()).toEqual([...events].sort());
    for (const { leaf, proof, index } of bundle.entries) {
      expect(verifyProofFile(parseProofFile(proof), hashLeaf(Buffer.from(leaf)), policy()).satisfied).toBe(true);
      expect(parseProofFile(proof).index).toBe(index);
      expect(() => verifyProofFile(parseProofFile(proof), hashLeaf(Buffer.from(leaf.replace('"v":1', '"v":2'))), policy())).toThrow('index');
    }
    expect(bundle.uses).toHaveLength(50);
    const batch = JSON.parse(bundle.entries.find(({ index }) => index === bundle.uses[0]!.batch)!.leaf) as Leaf;
    expect(batch.data).toMatchObject({ records: '100', uses: '300' });
    for (const { place, disclosure, proof } of bundle.uses) {
      expect(opened(disclosure).value).toMatchObject({ tokenId });
      const [hash] = [hashLeaves([Buffer.from(disclosure)])];
      expect(verifyInclusion(place, 100, hash!, proof.map((text) => Buffer.from(text, 'base64')), Buffer.from(String(batch.data!.root), 'base64'))).toBe(true);
    }
  });

  it('answers a proof file for one entry, and "later" while it is not signed', async () => {
    const { events } = await life('erin');
    const { items } = await search(`event=${events[0]}`);
    const answer = await until(async () => {
      const response = await audit.get(audit.services[0]!, `/v1/entries/${items[0]!.index}/proof`);
      return response.status === 200 && response.text();
    }, 'the proof');
    expect(verifyProofFile(parseProofFile(answer), hashLeaf(Buffer.from(items[0]!.leaf)), policy()).satisfied).toBe(true);
    expect((await audit.get(audit.services[0]!, '/v1/entries/99999999/proof')).status).toBe(404);
  });

  it('lets strangers read tiles, auditors search, and nobody else (G10)', async () => {
    const { url } = audit.services[0]!;
    expect((await fetch(`${url}/v1/entries`)).status).toBe(401);
    const requester = await audit.bench.identity.token({ sub: 'someone', groups: ['requesters'] });
    expect((await fetch(`${url}/v1/entries`, { headers: { authorization: `Bearer ${requester}` } })).status).toBe(403);
    const checkpoint = await fetch(`${url}/checkpoint`);
    expect(checkpoint.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const tile = await fetch(`${url}/tile/0/000.p/1`);
    expect([tile.status, tile.headers.get('content-type'), tile.headers.get('cache-control')]).toEqual([200, 'application/octet-stream', 'public, max-age=31536000, immutable']);
    for (const path of ['/tile/0/0', '/tile/0/000.p/256', '/tile/..%2f..%2fcheckpoint', '/tile/entries/x000/000', '/tile/99/000']) {
      expect((await fetch(url + path)).status).toBe(404);
    }
    expect((await audit.get(audit.services[0]!, '/v1/entries?limit=0&from=yesterday')).status).toBe(400);
  });

  it('does not publish for ever because of its own news', async () => {
    await audit.signed();
    const published = async () => (await audit.query(`SELECT size FROM checkpoint`)).length;
    await until(async () => {
      const before = await published();
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      return await published() === before;
    }, 'the log to fall silent');
  });
});

async function search(query: string): Promise<LogEntries> {
  const response = await audit.get(audit.services[0]!, `/v1/entries?${query}`);
  expect(response.status).toBe(200);
  return (await response.json()) as LogEntries;
}
