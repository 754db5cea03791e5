import { createServer } from 'node:http';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { encodeBundle, folderSource, parsePolicy, rootAt, SignerKey, tileSource, urlSource, verifyLog, type VerifyOptions } from './index.js';
import { decimals, logKey, MemoryLog } from '../test/memory-log.js';

const policy = parsePolicy(`log ${logKey}\nquorum none\n`);
const origin = logKey.verifier.name;
const verify = (log: MemoryLog, options: Partial<VerifyOptions> = {}) => verifyLog(log.source, { policy, ...options });
const codes = async (log: MemoryLog, options: Partial<VerifyOptions> = {}) =>
  [...new Set((await verify(log, options)).findings.map(({ code }) => code))];

it('accepts a log of every size and hands out every entry once, in order', async () => {
  for (const size of [0, 1, 255, 256, 257, 512, 1000]) {
    const seen: string[] = [];
    const report = await verify(size === 0 ? new MemoryLog().grow([]) : MemoryLog.of(size), {
      onEntries: (entries) => void seen.push(...entries.map((entry) => Buffer.from(entry).toString())),
    });
    expect(report).toMatchObject({ findings: [], checked: size });
    expect(seen).toEqual(decimals(0, size).map(String));
  }
});

it('reports every single changed byte of every file', async () => {
  const log = MemoryLog.of(70_000 % 700);
  const paths = [...log.files.keys()];
  await fc.assert(fc.asyncProperty(fc.constantFrom(...paths), fc.nat(), async (path, at) => {
    const original = log.files.get(path)!;
    const changed = Buffer.from(original);
    changed[at % changed.length]! ^= 1 << (at % 7);
    log.files.set(path, changed);
    try {
      expect((await verify(log)).findings.length).toBeGreaterThan(0);
    } finally {
      log.files.set(path, original);
    }
  }), { numRuns: 300 });
});

it('names the first entry that was altered, and that the signed root is another', async () => {
  const log = MemoryLog.of(600);
  const bundle = log.entries.slice(256, 512);
  bundle[44] = Buffer.from('forged');
  log.files.set('tile/entries/001', encodeBundle(bundle));
  expect((await verify(log)).findings).toEqual(expect.arrayContaining([
    { code: 'tile-differs', detail: 'tile/0/001', index: 300 },
    expect.objectContaining({ code: 'root-differs' }),
  ]));
});

it('tells an altered tile from altered entries: the root still holds', async () => {
  const log = MemoryLog.of(600);
  log.files.get('tile/0/000')![0]! ^= 1;
  expect(await codes(log)).toEqual(['tile-differs']);
});

it('reports a file that is missing or cut', async () => {
  const missing = MemoryLog.of(600);
  missing.files.delete('tile/entries/001');
  expect((await verify(missing)).findings).toEqual([expect.objectContaining({ code: 'file-unreadable', index: 256 })]);
  const cut = MemoryLog.of(600);
  cut.files.set('tile/entries/001', cut.files.get('tile/entries/001')!.subarray(0, 100));
  expect((await verify(cut)).findings).toEqual([{ code: 'file-unreadable', detail: expect.stringContaining('tile/entries/001'), index: 256 }]);
  const bare = MemoryLog.of(1);
  bare.files.delete('checkpoint');
  expect(await codes(bare)).toEqual(['file-unreadable']);
});

it('reads partial tiles from full ones once the log has deleted them', async () => {
  const log = MemoryLog.of(200);
  const early = log.files.get('checkpoint')!;
  log.grow(decimals(200, 600));
  log.files.set('checkpoint', early);
  log.files.delete('tile/0/000.p/200');
  log.files.delete('tile/entries/000.p/200');
  expect(await verify(log)).toMatchObject({ findings: [], checked: 200 });
});

describe('with checkpoints remembered', () => {
  it('accepts each that is a beginning of the log, of whatever size', async () => {
    const log = MemoryLog.of(600);
    const remembered = await Promise.all([600, 0, 1, 255, 256, 257, 300, 599].map(async (size) =>
      ({ origin, size, root: await rootAt(log.source, size, 600) })));
    expect((await verify(log, { remembered })).findings).toEqual([]);
  });

  it('reports a history rewritten and signed again with the true key', async () => {
    const before = MemoryLog.of(300);
    const remembered = [{ origin, size: 300, root: before.root }];
    const rewritten = new MemoryLog().grow([...decimals(0, 100), Buffer.from('forged'), ...decimals(101, 500)]);
    expect(await codes(rewritten)).toEqual([]);
    expect(await codes(rewritten, { remembered })).toEqual(['history-rewritten']);
  });

  it('reports another root of the same size, also of size 0', async () => {
    for (const size of [0, 256, 300]) {
      const remembered = [{ origin, size, root: Buffer.alloc(32, 1) }];
      expect(await codes(new MemoryLog().grow(decimals(0, size)), { remembered })).toEqual(['history-rewritten']);
    }
  });

  it('reports a log that has become shorter', async () => {
    const remembered = [{ origin, size: 301, root: Buffer.alloc(32) }];
    expect(await codes(MemoryLog.of(300), { remembered })).toEqual(['rolled-back']);
  });
});

it('reports a checkpoint nobody known has signed, or too few have cosigned', async () => {
  const stranger = SignerKey.generate(origin, 0x01);
  expect(await codes(MemoryLog.of(3), { policy: parsePolicy(`log ${stranger}\nquorum none`) })).toEqual(['checkpoint-unsigned']);
  const witness = SignerKey.generate('w', 0x04);
  expect(await codes(MemoryLog.of(3), { policy: parsePolicy(`log ${logKey}\nwitness w ${witness}\nquorum w`) })).toEqual(['quorum-not-met']);
});

it('throws when the source cannot be reached, because that says nothing about the log', async () => {
  const options = { timeoutMs: 100, fetch: () => Promise.reject(new TypeError('refused')) };
  await expect(verifyLog(urlSource('http://127.0.0.1/', options), { policy })).rejects.toMatchObject({ code: 'source-unreachable' });
  const broken = tileSource(() => Promise.reject(new Error('disk')));
  await expect(verifyLog(broken, { policy })).rejects.toThrow('disk');
});

it('lets an error of the entry callback through', async () => {
  await expect(verify(MemoryLog.of(3), { onEntries: () => { throw new Error('mine'); } })).rejects.toThrow('mine');
});

it('verifies the same log from a folder and over HTTP', async () => {
  const log = MemoryLog.of(600);
  const folder = await mkdtemp(join(tmpdir(), 'tlog-'));
  for (const [path, bytes] of log.files) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), bytes);
  }
  const server = createServer((request, response) => {
    const bytes = log.files.get(request.url!.slice('/log/'.length));
    response.writeHead(bytes ? 200 : 404).end(bytes);
  });
  await new Promise<void>((listening) => void server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log/`;
  try {
    for (const source of [folderSource(folder), urlSource(url)]) {
      expect(await verifyLog(source, { policy })).toMatchObject({ checked: 600, findings: [] });
    }
    log.files.delete('tile/entries/000');
    expect((await verifyLog(urlSource(url), { policy })).findings).toMatchObject([{ code: 'file-unreadable' }]);
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  }
});
