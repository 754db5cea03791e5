import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  addCheckpoint, cosignCheckpoint, cosignWith, emptyRoot, formatAddCheckpoint, formatSignature, judgeAddCheckpoint, parseAddCheckpoint,
  proveConsistency, rootAt, SignerKey, signCheckpoint, type WitnessedHead,
} from './index.js';
import { logKey, MemoryLog, witnessKey } from '../test/memory-log.js';

const origin = logKey.verifier.name;
const log = MemoryLog.of(300);
const keysOf = (name: string) => (name === origin ? [logKey.verifier] : undefined);
const checkpointAt = async (size: number, key = logKey) =>
  signCheckpoint({ origin: key.verifier.name, size, root: await rootAt(log.source, size) }, key);
const headAt = async (size: number): Promise<WitnessedHead> => ({ size, root: await rootAt(log.source, size) });
const request = async (oldSize: number, size: number) =>
  formatAddCheckpoint({ oldSize, proof: await proveConsistency(log.source, oldSize, size), checkpoint: await checkpointAt(size) });
const judge = (body: string, head?: WitnessedHead) => {
  const verdict = judgeAddCheckpoint(body, keysOf, () => head);
  return verdict.outcome === 'cosign' ? 200 : verdict.refusal.status;
};

describe('a witness', () => {
  it('cosigns what extends the tree it has seen, the first tree it sees, and the same tree again', async () => {
    expect(judge(await request(100, 300), await headAt(100))).toBe(200);
    expect(judge(await request(0, 300))).toBe(200);
    expect(judge(await request(300, 300), await headAt(300))).toBe(200);
  });

  it('tells the size it has seen when asked from another', async () => {
    const verdict = judgeAddCheckpoint(await request(50, 300), keysOf, () => ({ size: 100, root: emptyRoot }));
    expect(verdict).toEqual({ outcome: 'refuse', refusal: { status: 409, contentType: 'text/x.tlog.size', body: '100\n' } });
    expect(judge(await request(50, 300))).toBe(409);
  });

  it('refuses a fork, also one of the same size', async () => {
    const fork = { ...await headAt(100), root: Buffer.alloc(32, 1) };
    expect(judge(await request(100, 300), fork)).toBe(422);
    expect(judge(await request(300, 300), { size: 300, root: Buffer.alloc(32, 1) })).toBe(422);
  });

  it('refuses a tree smaller than the one it has seen', async () => {
    const body = formatAddCheckpoint({ oldSize: 300, proof: [], checkpoint: await checkpointAt(100) });
    expect(judge(body, await headAt(300))).toBe(400);
  });

  it('refuses a proof from nothing and a false empty tree', async () => {
    const body = formatAddCheckpoint({ oldSize: 0, proof: [emptyRoot], checkpoint: await checkpointAt(300) });
    expect(judge(body)).toBe(422);
    const empty = (root: Buffer) => formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: signCheckpoint({ origin, size: 0, root }, logKey) });
    expect([judge(empty(emptyRoot)), judge(empty(Buffer.alloc(32)))]).toEqual([200, 422]);
  });

  it('refuses logs it does not know and keys it does not trust', async () => {
    const stranger = SignerKey.generate('stranger.example.com', 0x01);
    const impostor = SignerKey.generate(origin, 0x01);
    const ask = async (key: SignerKey) => judge(formatAddCheckpoint({ oldSize: 0, proof: [], checkpoint: await checkpointAt(300, key) }));
    expect([await ask(stranger), await ask(impostor)]).toEqual([404, 403]);
    const forged = (await request(0, 300)).replace('\n300\n', '\n299\n');
    expect(judge(forged)).toBe(403);
  });

  it.each([
    ['nothing', () => ''],
    ['no old size', async () => (await request(0, 300)).replace('old 0', 'new 0')],
    ['a leading zero', async () => (await request(100, 300)).replace('old 100', 'old 0100')],
    ['a short hash', async () => (await request(0, 300)).replace('old 0\n', 'old 0\nAAAA\n')],
    ['64 hashes', async () => (await request(0, 300)).replace('old 0\n', `old 0\n${`${emptyRoot.toString('base64')}\n`.repeat(64)}`)],
    ['no checkpoint', () => 'old 0\n\nnothing\n'],
  ])('calls a request with %s malformed', async (_, body) => {
    expect(judge(await body())).toBe(400);
  });

  it('reads what a log writes', async () => {
    const body = await request(100, 300);
    expect(formatAddCheckpoint(parseAddCheckpoint(body))).toBe(body);
  });
});

describe('a log asking a witness over HTTP', () => {
  let head: WitnessedHead | undefined;
  let answer: ((body: string) => { status: number; type: string; body: string }) | undefined;
  const server = createServer(async (incoming, response) => {
    const body = await text(incoming);
    const { status, type, body: out } = answer ? answer(body) : witness(body);
    response.writeHead(status, { 'content-type': type }).end(out);
  });
  let url: string;

  beforeAll(async () => {
    await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  beforeEach(() => {
    head = undefined;
    answer = undefined;
  });
  afterAll(() => server.close());

  function witness(body: string) {
    const verdict = judgeAddCheckpoint(body, keysOf, () => head);
    if (verdict.outcome === 'refuse') return { ...verdict.refusal, type: verdict.refusal.contentType };
    head = verdict.checkpoint;
    return { status: 200, type: 'text/plain', body: formatSignature(cosignCheckpoint(verdict.checkpoint.note, witnessKey, 1_700_000_000)) };
  }

  const ask = async (oldSize: number, size: number) =>
    cosignWith({ url, key: witnessKey.verifier }, await checkpointAt(size), oldSize, (old) => proveConsistency(log.source, old, size));

  it('gets a cosignature, and after a restart without memory learns the size and gets the next', async () => {
    expect(await ask(0, 100)).toMatchObject({ outcome: 'cosigned', signatures: [{ timeSeconds: 1_700_000_000 }] });
    expect(await ask(0, 300)).toMatchObject({ outcome: 'cosigned' });
    expect(head!.size).toBe(300);
  });

  it('is told when the witness has seen a larger tree', async () => {
    await ask(0, 300);
    expect(await ask(0, 100)).toEqual({ outcome: 'other-size', size: 300 });
  });

  it('is refused after a fork', async () => {
    head = { size: 100, root: Buffer.alloc(32, 3) };
    expect(await ask(100, 300)).toEqual({ outcome: 'refused', status: 422 });
  });

  it('accepts only the cosignature of the witness it asked', async () => {
    const other = SignerKey.generate('other.example.com', 0x04);
    const note = { text: (await checkpointAt(100)).split('\n\n')[0]! + '\n', signatures: [] };
    const send = async (body: string) => {
      answer = () => ({ status: 200, type: 'text/plain', body });
      return addCheckpoint({ url, key: witnessKey.verifier }, { oldSize: 0, proof: [], checkpoint: await checkpointAt(100) });
    };
    const [own, foreign] = [witnessKey, other].map((key) => formatSignature(key.cosign(note.text, 5)));
    expect(await send(`${foreign}${own}`)).toMatchObject({ signatures: [{ timeSeconds: 5 }] });
    await expect(send(foreign!)).rejects.toMatchObject({ code: 'witness-answer-malformed' });
    await expect(send(formatSignature(witnessKey.cosign('other text\n', 5)))).rejects.toMatchObject({ code: 'signature-invalid' });
    await expect(send('<html>')).rejects.toMatchObject({ code: 'note-malformed' });
    await expect(send('x'.repeat(70_000))).rejects.toMatchObject({ code: 'witness-answer-malformed' });
  });

  it('gives up on a witness that does not answer', async () => {
    const silent = createServer(() => undefined);
    await new Promise<void>((listening) => void silent.listen(0, '127.0.0.1', listening));
    const target = { url: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`, key: witnessKey.verifier };
    const add = { oldSize: 0, proof: [], checkpoint: await checkpointAt(100) };
    await expect(addCheckpoint(target, add, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'witness-unreachable' });
    silent.closeAllConnections();
    silent.close();
  });
});
