import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until, type Tap } from '@writ/testing';
import { aliveEveryMs, services, silentAfterMs, type EventData, type LogState } from '@writ/contracts';
import {
  appendLeaves, cosignCheckpoint, emptyEdge, encodeBundle, entriesPath, formatAddCheckpoint, formatNote, formatSignature, hashLeaves, keyTypes, parseCheckpoint, parseNote, parsePolicy,
  parseSignatures, proveConsistency, signCheckpoint, SignerKey, tilePath, tileSource, urlSource, verifyLog,
} from '@writ/tlog';
import { AuditBench } from './audit-bench.js';
import { alive, issued, newRequest, newToken, revoked, submitted, used } from './samples.js';
import { origin } from './signer-process.js';

/** What an insider with the whole database can do, and what becomes of it: one test per act of the threat model. */
let audit: AuditBench;
let tap: Tap;
const witnessKey = SignerKey.generate('witness.example.com/w1', keyTypes.cosignature);
const token = newToken();
let said: string[] = [];
let usage: string;
/** The insider keeps everything that policy says from the log, from the beginning; the others are heard. */
let heartbeats: NodeJS.Timeout;
let begun: number;

beforeAll(async () => {
  audit = await AuditBench.create();
  tap = await audit.bench.bus.tap();
  await audit.start({ WRIT_AUDIT_GRACE_SECONDS: '1', WRIT_AUDIT_PATROL_SECONDS: '0.1' });
  const { bus } = audit.bench;
  begun = Date.now();
  heartbeats = setInterval(() => {
    for (const service of services) if (service !== 'policy') bus.say(service, 'service.alive', alive(service)).catch(() => undefined);
  }, aliveEveryMs);
  const requestId = newRequest();
  said = await Promise.all([
    bus.say('request', 'request.submitted', submitted(requestId, 'alice')),
    bus.say('issuer', 'token.issued', issued(token, requestId, 'alice'), { aggregateversion: 1, producer: 'issuer/7', producerseq: '1' }),
    ...Array.from({ length: 300 }, () => bus.say('issuer', 'service.alive', alive())),
  ]);
  usage = await bus.say('issuer', 'usage.recorded', used(token, 10));
  said.push(usage);
  said.push(await bus.say('issuer', 'token.revoked', revoked(token, 'alice'), { aggregateversion: 2, producer: 'issuer/7', producerseq: '2' }));
  await audit.recorded(said);
  await audit.signed();
  await audit.query('SET session_replication_role = replica'); // The superuser switches the triggers off.
});
afterAll(() => {
  clearInterval(heartbeats);
  return audit.drop();
});

const state = async () => (await (await fetch(`${audit.services[0]!.url}/v1/log`)).json()) as LogState;
const found = (code: string) => until(async () => (await state()).findings.some((finding) => finding.code === code), `${code} to be found`, 25_000);
/** Who is silent is one test's affair. */
const findings = async () => (await state()).findings.filter(({ code }) => code !== 'service-silent');
const nothingFound = () => until(async () => (await findings()).length === 0, 'the findings to end', 25_000);
const seqOf = async (event: string) => Number((await audit.query<{ seq: string }>('SELECT seq FROM tlog_entry WHERE event_id = $1', [event]))[0]!.seq);
const policy = () => parsePolicy(`log ${audit.signer.vkey}\nquorum none\n`);
const leaves = async () => (await audit.query<{ leaf: Buffer }>('SELECT leaf FROM tlog_entry ORDER BY seq')).map(({ leaf }) => leaf);

/** Does something, waits until it is found, undoes it and waits until all is well again. */
async function act(what: string, undo: string, code: string, parameters: unknown[] = []): Promise<void> {
  await audit.query(what, parameters);
  await found(code);
  await audit.query(undo, parameters);
  await nothingFound();
}

/** Changes entries and makes tiles, head and all fit them, while nothing can be appended, as a careful insider would. */
async function rewrite(change: () => Promise<unknown>): Promise<void> {
  await audit.query('BEGIN');
  await audit.query('SELECT 1 FROM tlog FOR UPDATE');
  await change();
  const all = await leaves();
  const { root, tiles } = appendLeaves(emptyEdge, hashLeaves(all));
  await audit.query('DELETE FROM tlog_tile');
  for (const { level, index, width, hashes } of tiles) await audit.query('INSERT INTO tlog_tile SELECT log_id, $1, $2, $3, $4 FROM tlog', [level, index, width, hashes]);
  await audit.query('UPDATE tlog SET size = $1, root = $2', [all.length, root]);
  await audit.query('COMMIT');
}
const setLeaf = (index: number, leaf: Buffer) => audit.query('UPDATE tlog_entry SET leaf = $2 WHERE seq = $1', [index, leaf]);
const leafAt = async (index: number) => (await audit.query<{ leaf: Buffer }>('SELECT leaf FROM tlog_entry WHERE seq = $1', [index]))[0]!.leaf;

describe('an insider with the whole database', () => {
  it('is found after editing a signed entry (G8)', async () => {
    const index = await seqOf(said[5]!);
    const before = await leafAt(index);
    await setLeaf(index, Buffer.from(before.toString().replace('issuer', 'policy')));
    await found('entry-differs');
    await setLeaf(index, before);
    await nothingFound();
  });

  it('is found after editing a signed entry and making every tile and the root fit it (G8)', async () => {
    const index = await seqOf(said[5]!);
    const before = await leafAt(index);
    await rewrite(() => setLeaf(index, Buffer.from(before.toString().replace('issuer', 'policy'))));
    await found('entry-differs');
    await rewrite(() => setLeaf(index, before));
    await nothingFound();
  });

  it('is heard of on the bus each time it begins, once however long it lasts, and stands in the log for it (G8)', async () => {
    const { data } = (await tap.next('audit.finding', ({ code }) => code === 'entry-differs')).envelope;
    const index = await seqOf(said[5]!);
    expect(data).toMatchObject({ origin, entry: index });
    await until(async () => (await audit.query(`SELECT 1 FROM tlog_entry WHERE type = 'audit.finding'`)).length > 0, 'the finding’s own entry');
    // The entry was edited twice, and mended in between.
    const times = () => tap.ofType('audit.finding').filter(({ envelope }) => envelope.data.code === 'entry-differs' && envelope.data.entry === index).length;
    await until(() => times() === 2, 'both to be said');
    await until(async () => (await audit.query(`SELECT 1 FROM told_finding WHERE finding LIKE '% entry-differs %'`)).length === 0, 'the end to be noted');
    expect(times()).toBe(2);
  });

  it('is found after deleting a signed entry (G8)', () =>
    act('CREATE TABLE kept AS SELECT * FROM tlog_entry WHERE seq = 7; DELETE FROM tlog_entry WHERE seq = 7', 'INSERT INTO tlog_entry SELECT * FROM kept', 'entry-missing'));

  it('is found after swapping two signed entries (G8)', () => {
    const swap = `UPDATE tlog_entry SET seq = CASE seq WHEN 8 THEN -9 ELSE -8 END WHERE seq IN (8, 9); UPDATE tlog_entry SET seq = -seq WHERE seq < 0`;
    return act(swap, swap, 'entry-differs');
  });

  it('is found after changing a tile that no append reads (G8)', () => {
    const flip = `UPDATE tlog_tile SET data = set_byte(data, 99, 255 - get_byte(data, 99)) WHERE level = 0 AND n = 0`;
    return act(flip, flip, 'tile-differs');
  });

  it('stops the log by changing its root, is found by the next append, and only until it is mended (G8)', async () => {
    const flip = `UPDATE tlog SET root = set_byte(root, 0, 255 - get_byte(root, 0))`;
    await audit.query(flip);
    const event = await audit.bench.bus.say('issuer', 'service.alive', alive());
    await found('head-differs');
    await until(async () => (await (await fetch(`${audit.services[0]!.url}/health/ready`)).text()).includes('nothing can be recorded'), 'the append to be refused', 25_000);
    expect(await audit.query('SELECT 1 FROM tlog_entry WHERE event_id = $1', [event])).toEqual([]);
    await audit.query(flip);
    await audit.recorded([event]);
    await nothingFound();
  });

  it('stops the log by inserting an entry beyond its head, and is found by the next append (G8)', async () => {
    await audit.query(`INSERT INTO tlog_entry (log_id, seq, event_id, type, recorded_at, leaf) SELECT log_id, size + 1000, 'forged', 'service.alive', now(), '{}' FROM tlog`);
    const event = await audit.bench.bus.say('issuer', 'service.alive', alive());
    await found('head-differs');
    await audit.query(`DELETE FROM tlog_entry WHERE event_id = 'forged'`);
    await audit.recorded([event]);
    await nothingFound();
  });

  it('is found after deleting the uses of a token, or editing what a batch of uses holds (G8)', async () => {
    const index = await seqOf(usage);
    await act(`CREATE TABLE uses AS SELECT * FROM use_record WHERE seq = ${index}; DELETE FROM use_record WHERE seq = ${index}`, 'INSERT INTO use_record SELECT * FROM uses', 'opening-missing');
    const flip = `UPDATE use_batch SET hashes = set_byte(hashes, 9, 255 - get_byte(hashes, 9))`;
    await act(flip, flip, 'opening-differs');
  });

  it('is found after having a token used that was never issued, and only while it is not (G8)', async () => {
    const stolen = newToken();
    await audit.recorded([await audit.bench.bus.say('issuer', 'usage.recorded', used(stolen, 2))]);
    await found('use-without-issue');
    await audit.recorded([await audit.bench.bus.say('issuer', 'token.issued', issued(stolen, newRequest(), 'alice'), { aggregateversion: 1 })]);
    await nothingFound();
  });

  it('is found after naming another entry a token’s newest (G8)', () =>
    act(`UPDATE token_head SET seq = seq - 1`, `UPDATE token_head SET seq = seq + 1`, 'index-differs'));

  it('is found after hiding an entry from searches (G8)', () =>
    act(`UPDATE tlog_entry SET token_id = 'x' WHERE event_id = '${said.at(-1)!}'`, `UPDATE tlog_entry SET token_id = '${token}' WHERE event_id = '${said.at(-1)!}'`, 'index-differs'));

  it('is found after deleting what a digest stands for (G8)', async () => {
    const index = await seqOf(said[0]!);
    await act(`CREATE TABLE boxes AS SELECT * FROM disclosure WHERE seq = ${index}; DELETE FROM disclosure WHERE seq = ${index}`, 'INSERT INTO disclosure SELECT * FROM boxes', 'opening-missing');
  });

  it('is found after exchanging what digests stand for (G8)', async () => {
    const index = await seqOf(said[0]!);
    await act(`UPDATE disclosure SET seq = -1 WHERE seq = ${index}`, `UPDATE disclosure SET seq = ${index} WHERE seq = -1`, 'opening-missing');
  });

  it('cannot have a set-back log grow again: what was signed is known outside (G8)', async () => {
    const size = await audit.signed();
    await until(async () => (await fetch(`${audit.services[0]!.url}/checkpoint`)).text().then((note) => parseCheckpoint(parseNote(note).text).size >= size), 'the checkpoint');
    await rewrite(() => audit.query('CREATE TABLE cut AS SELECT * FROM tlog_entry WHERE seq >= 100; DELETE FROM tlog_entry WHERE seq >= 100'));
    const event = await audit.bench.bus.say('issuer', 'service.alive', alive());
    await found('rolled-back');
    expect((await audit.query<{ size: string }>('SELECT size FROM tlog'))[0]!.size).toBe('100');
    await rewrite(() => audit.query('INSERT INTO tlog_entry SELECT * FROM cut'));
    await audit.recorded([event]);
    await nothingFound();
  });

  it('is found after dropping an event on its way, by its producer’s number and its token’s ordinal (G8)', async () => {
    const lost = newToken();
    const say = (n: number, k: number) => audit.bench.bus.say('issuer', 'token.revoked', revoked(lost, 'alice'), { aggregateversion: k, producer: 'issuer/6', producerseq: String(n) });
    await say(1, 1);
    await say(3, 3);
    await found('counter-gap');
    await found('ordinal-gap');
    await audit.recorded([await say(2, 2)]);
    // Late is not lost: the number came, and the next look at the token finds it whole.
    await nothingFound();
  });

  it('is found after keeping all that a service says from the log, within a minute of its last sign of life (G8)', async () => {
    const silent = async () => (await state()).findings.filter(({ code }) => code === 'service-silent').map(({ detail }) => detail);
    await until(async () => (await silent()).length > 0, 'the silence to be found', Math.max(5_000, begun + 60_000 - Date.now()));
    expect(await silent()).toEqual([`Nothing was heard of policy for ${silentAfterMs / 1_000} seconds.`]);
  }, 90_000);

  it('is NOT found after rewriting an entry between its commit and its signature, with everything made to fit', async () => {
    await audit.signer.kill();
    const event = await audit.bench.bus.say('issuer', 'service.alive', alive());
    await audit.recorded([event]);
    const index = await seqOf(event);
    const before = await leafAt(index);
    await rewrite(() => setLeaf(index, Buffer.from(before.toString().replace('"service":"issuer"', '"service":"policy"'))));
    await audit.signer.start();
    await until(async () => (await state()).signedSize > index, 'a checkpoint over it', 20_000);
    expect((await verifyLog(urlSource(audit.services[0]!.url), { policy: policy() })).findings).toEqual([]);
    expect(await findings()).toEqual([]);
  });

  it('is NOT found by what a legitimate producer says falsely', async () => {
    const before: EventData<'service.alive'> = { service: 'issuer', at: '1999-01-01T00:00:00Z' };
    await audit.recorded([await audit.bench.bus.say('issuer', 'service.alive', before)]);
    expect(await findings()).toEqual([]);
  });

  it('is found after saying again, under another id, what a service had said (G8)', async () => {
    await audit.recorded([await audit.bench.bus.say('issuer', 'service.alive', { service: 'issuer', at: '2026-01-01T00:00:00.000Z' }, { producer: 'issuer/7', producerseq: '2' })]);
    await found('counter-twice');
  });
});

describe('an insider who forks the log', () => {
  const logKey = () => SignerKey.parse(readFileSync(join(audit.bench.dir, 'signer', 'key'), 'utf8').trim());
  const forged = Array.from({ length: 400 }, (_, i) => Buffer.from(`forged ${i}`));

  it('cannot have the signer sign another tree (G8)', async () => {
    const { size } = parseCheckpoint(parseNote(await (await fetch(`${audit.services[0]!.url}/checkpoint`)).text()).text);
    const { root } = appendLeaves(emptyEdge, hashLeaves(forged));
    for (const asked of [size, size + 1, 10]) {
      expect((await audit.signer.ask(asked, root)).status).toBe(409);
    }
  });

  it('is NOT found with a stolen key by whoever sees the log for the first time, but by whoever remembers a checkpoint', async () => {
    const note = await (await fetch(`${audit.services[0]!.url}/checkpoint`)).text();
    const fork = site(forged, signCheckpoint({ origin, size: forged.length, root: appendLeaves(emptyEdge, hashLeaves(forged)).root }, logKey()));
    expect((await verifyLog(fork, { policy: policy() })).findings).toEqual([]);
    const remembered = [parseCheckpoint(parseNote(note).text)];
    const codes = (await verifyLog(fork, { policy: policy(), remembered })).findings.map(({ code }) => code);
    expect(['history-rewritten', 'rolled-back']).toContain(codes[0]);
  });

  it('is refused with a stolen key by a witness, who tells nobody’s time but its own', async () => {
    const witness = await audit.start({ WRIT_WITNESS_KEY: witnessKey.exportSecret(), WRIT_WITNESS_LOGS_FILE: audit.policyFile(`log ${audit.signer.vkey}\nquorum none\n`) });
    const submit = (body: string) => fetch(`${witness.url}/witness/add-checkpoint`, { method: 'POST', body });
    const honest = await (await fetch(`${audit.services[0]!.url}/checkpoint`)).text();
    const { size } = parseCheckpoint(parseNote(honest).text);
    const cosigned = await submit(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: honest }));
    expect(cosigned.status).toBe(200);
    const both = formatNote({ text: parseNote(honest).text, signatures: [...parseNote(honest).signatures, ...parseSignatures(await cosigned.text())] });
    const withWitness = parsePolicy(`log ${audit.signer.vkey}\nwitness w1 ${witnessKey.verifier}\nquorum w1\n`);
    const report = await verifyLog({ ...urlSource(audit.services[0]!.url), readCheckpoint: async () => Buffer.from(both) }, { policy: withWitness });
    expect(report.findings).toEqual([]);
    // Freshness: an old honest checkpoint verifies for ever, and its cosignature tells how old it is.
    expect(Math.abs(report.verdict!.cosigned[0]!.timeSeconds - Date.now() / 1000)).toBeLessThan(60);
    const grown = [...forged, ...Array.from({ length: size }, (_, i) => Buffer.from(`more ${i}`))];
    const tree = appendLeaves(emptyEdge, hashLeaves(grown));
    const fork = signCheckpoint({ origin, size: grown.length, root: tree.root }, logKey());
    const proof = await proveConsistency(site(grown, fork), size, grown.length);
    expect((await submit(formatAddCheckpoint({ oldSize: size, proof, checkpoint: fork }))).status).toBe(422);
    expect((await submit(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: fork }))).status).toBe(409);
    // A witness that colludes is not found.
    const colluding = formatNote({ text: parseNote(fork).text, signatures: [...parseNote(fork).signatures, ...parseSignatures(formatSignature(cosignCheckpoint(parseNote(fork), witnessKey, 1_800_000_000)))] });
    expect((await verifyLog(site(grown, colluding), { policy: withWitness })).findings).toEqual([]);
  });
});

/** A log's files in memory. */
function site(entries: readonly Buffer[], checkpoint: string) {
  const files = new Map<string, Uint8Array>([['checkpoint', Buffer.from(checkpoint)]]);
  for (const tile of appendLeaves(emptyEdge, hashLeaves(entries)).tiles) files.set(tilePath(tile), tile.hashes);
  for (let at = 0; at < entries.length; at += 256) files.set(entriesPath(at / 256, Math.min(256, entries.length - at)), encodeBundle(entries.slice(at, at + 256)));
  return tileSource(async (path) => files.get(path));
}
