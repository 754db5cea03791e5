import { randomInt } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  appendLeaves, edgeTiles, emptyEdge, encodeBundle, entriesPath, folderSource, hashLeaves, keyTypes, parsePolicy, proveInclusion, rootOfEdge,
  signCheckpoint, SignerKey, tilePath, tileSource, tileWidth, verifyLog, type Edge,
} from '@writ/tlog';
import { quantile, type BenchOptions, type Row } from '../row.js';
import { origin } from './log-process.js';

const cpuUs = (since?: NodeJS.CpuUsage) => {
  const { user, system } = process.cpuUsage(since);
  return user + system;
};

/** Offline verification of a whole log, and proofs from its files. */
export async function files({ quick, say }: BenchOptions): Promise<Row[]> {
  const size = quick ? 200_000 : 1_000_000;
  say(`verify and prove: a log of ${size} entries`);
  const dir = await mkdtemp(join(tmpdir(), 'writ-bench-log-'));
  try {
    const { policy, entries, memory } = await write(dir, size);
    return [...(await verify(dir, policy, entries, size)), ...(await prove(dir, memory, size, quick ? 500 : 2_000))];
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Writes a log of entries of 400 bytes, as the publisher lays it out. */
async function write(dir: string, size: number): Promise<{ policy: string; entries: Buffer[]; memory: Map<string, Uint8Array> }> {
  const key = SignerKey.generate(origin, keyTypes.ed25519);
  const memory = new Map<string, Uint8Array>();
  const sample: Buffer[] = [];
  const put = async (path: string, bytes: Uint8Array) => {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), bytes);
  };
  let edge: Edge = emptyEdge;
  for (let at = 0; at < size; at += tileWidth) {
    const entries = Array.from({ length: Math.min(tileWidth, size - at) }, (_, i) => Buffer.from(`{"seq":"${at + i}","data":"${'x'.repeat(370)}"}`));
    if (sample.length < 20_000) sample.push(...entries);
    const growth = appendLeaves(edge, hashLeaves(entries));
    edge = growth.edge;
    for (const tile of growth.tiles) {
      memory.set(tilePath(tile), tile.hashes);
      if (tile.width === tileWidth) await put(tilePath(tile), tile.hashes);
    }
    await put(entriesPath(at / tileWidth, entries.length), encodeBundle(entries));
  }
  for (const at of edgeTiles(size)) {
    memory.set(tilePath(at), edge.levels[at.level]!);
    await put(tilePath(at), edge.levels[at.level]!);
  }
  await put('checkpoint', Buffer.from(signCheckpoint({ origin, size, root: rootOfEdge(edge) }, key)));
  return { policy: `log ${key}\nquorum none\n`, entries: sample, memory };
}

async function verify(dir: string, policy: string, entries: Buffer[], size: number): Promise<Row[]> {
  const cpu = process.cpuUsage();
  const startedAt = performance.now();
  const report = await verifyLog(folderSource(dir), { policy: parsePolicy(policy) });
  const seconds = (performance.now() - startedAt) / 1_000;
  if (report.findings.length > 0 || report.checked !== size) throw new Error('The log of the bench does not verify.');
  const cost = cpuUs(cpu) / size;
  const hashingFrom = performance.now();
  const rounds = Math.ceil(size / entries.length);
  for (let i = 0; i < rounds; i++) hashLeaves(entries);
  const bare = (rounds * entries.length) / ((performance.now() - hashingFrom) / 1_000);
  return [
    { bench: 'audit', name: 'verify', kind: 'ours', perSecond: size / seconds, cpuUsPerOp: cost, rssMb: process.memoryUsage().rss / 1e6, note: 'every entry, tile and root, from files' },
    { bench: 'audit', name: 'verify', kind: 'limit', perSecond: bare, note: 'hashing entries in memory' },
  ];
}

async function prove(dir: string, memory: Map<string, Uint8Array>, size: number, count: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [kind, source] of [['ours', folderSource(dir)], ['limit', tileSource(async (path) => memory.get(path))]] as const) {
    const times: number[] = [];
    const cpu = process.cpuUsage();
    for (let i = 0; i < count; i++) {
      const startedAt = performance.now();
      await proveInclusion(source, randomInt(size), size);
      times.push(performance.now() - startedAt);
    }
    const total = times.reduce((sum, ms) => sum + ms, 0);
    rows.push({
      bench: 'audit', name: 'prove', kind, perSecond: count / (total / 1_000), p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99), cpuUsPerOp: cpuUs(cpu) / count,
      note: `inclusion among ${size}, tiles ${kind === 'ours' ? 'from files' : 'in memory'}`,
    });
  }
  return rows;
}
