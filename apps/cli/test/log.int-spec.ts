import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { serviceNames } from '@writ/client';
import { appendLeaves, emptyEdge, encodeBase64, hashLeaf, keyTypes, encodeBundle, entriesPath, formatProofFile, hashLeaves, proveInclusion, signCheckpoint, SignerKey, tilePath, tileWidth, widthIn, folderSource, parsePolicy, tileSource, verifyLog, type Tile } from '@writ/tlog';
import { build, writ } from './run.js';

const origin = 'log.example.org';
const tokenId = 'tok_00000000000000000000000001';
const requestId = 'req_00000000000000000000000001';
/** The tree of heads that the last entry seals: one token's alone. */
const sealed = (newest: number) => Buffer.from(`${tokenId} ${newest} 6`);
/** The newest of 600 entries is of now, because a log whose newest is old is told apart. */
const startMs = Date.now() - 600_000;
/** Signs of life, and between them a request, its approval and six changes of one token. */
function leafAt(index: number, log = origin): string {
  const k = index < 600 && index % 100 === 5 ? (index - 5) / 100 + 1 : undefined;
  const type = index === 3 ? 'request.submitted' : index === 4 ? 'request.approved' : index === 599 ? 'log.heads' : k === 1 ? 'token.issued' : k === undefined ? 'service.alive' : 'token.retired';
  return JSON.stringify({
    data: index === 599 ? { root: encodeBase64(hashLeaf(sealed(505))), size: '599', tokens: '1' } : {}, id: `evt_${index}`, ...(k !== undefined && { k: String(k) }), log, n: String(index + 1),
    ...(k !== undefined && k > 1 && { prev: String(index - 100) }), rec: new Date(startMs + index * 1_000).toISOString(), ...([3, 4, 5].includes(index) && { request: requestId }),
    seq: String(index), src: 'issuer/0', ...(k !== undefined && { token: tokenId }), type, v: 1,
  });
}

/** A published log in a folder, served as any static site is. */
class PublishedLog {
  readonly folder = mkdtempSync(join(tmpdir(), 'writ-log-'));
  private readonly key: SignerKey;
  readonly vkey: string;
  private server!: Server;
  url = '';
  requests: string[] = [];

  constructor(private readonly origin: string) {
    this.key = SignerKey.generate(origin, keyTypes.ed25519);
    this.vkey = this.key.verifier.toString();
  }

  /** What is answered besides the published files, by path and query. */
  readonly answers = new Map<string, string>();

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      this.requests.push(request.url!);
      const answer = this.answers.get(request.url!);
      if (answer !== undefined) return void response.end(answer);
      try {
        response.end(readFileSync(join(this.folder, decodeURI(request.url!.split('?')[0]!))));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
    rmSync(this.folder, { recursive: true });
  }

  publish(size: number, leaf = (index: number) => leafAt(index, this.origin)): void {
    const entries = Array.from({ length: size }, (_, index) => Buffer.from(leaf(index)));
    const { tiles, root } = appendLeaves(emptyEdge, hashLeaves(entries));
    const write = (path: string, bytes: Uint8Array | string) => {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      writeFileSync(join(this.folder, path), bytes);
    };
    for (const tile of tiles as Tile[]) write(tilePath(tile), tile.hashes);
    for (let i = 0; i * tileWidth < size; i++) write(entriesPath(i, widthIn(size, 0, i)), encodeBundle(entries.slice(i * tileWidth, i * tileWidth + widthIn(size, 0, i))));
    write('checkpoint', signCheckpoint({ origin: this.origin, size, root }, this.key));
  }

  /** What proves that an entry was the token's newest. */
  async newest(size: number, index: number): Promise<object> {
    const proof = formatProofFile({ index: 599, proof: await proveInclusion(folderSource(this.folder), 599, size), checkpoint: readFileSync(join(this.folder, 'checkpoint'), 'utf8') });
    return { index, k: 6, place: 0, proof: [], heads: { index: 599, leaf: leafAt(599), proof, disclosures: [] } };
  }

  async bundle(size: number): Promise<Record<string, unknown>> {
    const source = folderSource(this.folder);
    const indexes = Array.from({ length: size }, (_, index) => index).filter((index) => index % 100 === 5 || index === 3 || index === 4);
    const checkpoint = readFileSync(join(this.folder, 'checkpoint'), 'utf8');
    const entries = await Promise.all(indexes.map(async (index) => ({
      index, leaf: leafAt(index), disclosures: [], proof: formatProofFile({ index, proof: await proveInclusion(source, index, size), checkpoint }),
    })));
    return { format: 'writ-proof-bundle/1', origin, vkey: this.vkey, tokenId, requestId, entries, uses: [], truncated: false };
  }
}

/** What an object store does at the least; that signatures are right is tested with the mirror itself. */
class Bucket {
  readonly objects = new Map<string, Buffer>();
  readonly callers = new Set<string | undefined>();
  private readonly server = createServer((request, response) => {
    this.callers.add(/Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1]);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      if (request.method === 'PUT') this.objects.set(request.url!, Buffer.concat(chunks));
      const found = this.objects.get(request.url!);
      response.writeHead(found ? 200 : 404).end(request.method === 'GET' ? found : undefined);
    });
  });
  url = '';

  async start(): Promise<void> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}

describe('the auditor’s commands', () => {
  let log: PublishedLog;
  let home: string;
  const run = (args: string[], options: Parameters<typeof writ>[1] = {}) => writ(args, { cwd: home, env: { WRIT_AUDIT_URL: log.url, WRIT_LOG_VKEY: log.vkey }, ...options });
  beforeAll(build, 120_000);
  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'writ-home-'));
    log = new PublishedLog(origin);
    await log.start();
    log.publish(600);
  });
  afterEach(() => {
    log.stop();
    rmSync(home, { recursive: true });
  });

  it('G8: exports a whole log that a stranger verifies offline, and sums that sha256sum accepts', async () => {
    expect(await run(['audit', 'export', 'copy'])).toMatchObject({ code: 0, stderr: '' });
    execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: join(home, 'copy') });
    expect(readFileSync(join(home, 'copy/README.md'), 'utf8')).toContain(`writ audit verify . --vkey '${log.vkey}'`);
    log.publish(0);
    const { stdout, code } = await run(['--json', 'audit', 'verify', 'copy', '--forget']);
    expect({ code, ...(JSON.parse(stdout) as object) }).toMatchObject({ code: 0, intact: true, checked: 600, findings: [] });
  });

  it('exports what other tools need: entries by line, keys, a policy, every checkpoint, and a README whose shell lines hold', async () => {
    await run(['audit', 'export', 'copy']);
    log.publish(700);
    await run(['audit', 'export', 'copy']);
    const copy = join(home, 'copy');
    expect(readdirSync(join(copy, 'checkpoints')).sort()).toEqual(['600', '700']);
    expect(readFileSync(join(copy, 'entries.jsonl'), 'utf8').split('\n').slice(40, 42)).toEqual([leafAt(40), leafAt(41)]);
    expect(parsePolicy(readFileSync(join(copy, 'policy.tlog'))).logs.map(({ key }) => key.toString())).toEqual([log.vkey]);
    const readme = readFileSync(join(copy, 'README.md'), 'utf8');
    const [keyFile] = /keys\/\S+\.vkey/.exec(readme)!;
    expect(readFileSync(join(copy, keyFile), 'utf8')).toBe(`${log.vkey}\n`);
    const shown = /^ {4}(\(printf.*|dd if=.*)$/gm;
    const hashes = [...readme.matchAll(shown)].map(([, line]) => execFileSync('bash', ['-c', line!], { cwd: copy, encoding: 'utf8' }).trim());
    expect(hashes).toEqual(Array(2).fill(encodeBase64(hashLeaf(Buffer.from(leafAt(41))))));
    execFileSync('sha256sum', ['--check', '--quiet', 'SHA256SUMS'], { cwd: copy });
  });

  it('G8: exports what is personal only where it is asked for, and finds a field there that is not the recorded one', async () => {
    const disclosure = (value: string) => Buffer.from(JSON.stringify(['salt', 'reason', value])).toString('base64url');
    const digest = createHash('sha256').update(disclosure('nightly export')).digest('base64url');
    log.publish(600, (index) => (index === 3 ? leafAt(3).replace('{', `{"_sd":["${digest}"],`) : leafAt(index)));
    mkdirSync(join(log.folder, 'v1'));
    writeFileSync(join(log.folder, 'v1/entries'), JSON.stringify({ items: [{ index: 4, disclosures: [] }, { index: 3, disclosures: [disclosure('nightly export')] }] }));
    const urls = Object.fromEntries(['REQUEST', 'POLICY', 'ISSUER', 'ROTATION', 'AUDIT', 'MONITOR'].map((name) => [`WRIT_${name}_URL`, log.url]));
    const ran = await run(['audit', 'export', 'copy', '--disclosures'], { env: { ...urls, WRIT_LOG_VKEY: log.vkey, WRIT_TOKEN: 'bearer' } });
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('1 in disclosures.jsonl') as string });
    const file = join(home, 'copy/disclosures.jsonl');
    expect(readFileSync(file, 'utf8')).toBe(`{"index":3,"disclosures":["${disclosure('nightly export')}"]}\n`);
    expect((await run(['audit', 'verify', 'copy'])).stdout).toContain('1, each the recorded one');
    writeFileSync(file, readFileSync(file, 'utf8').replace(disclosure('nightly export'), disclosure('monthly export')));
    expect(await run(['audit', 'verify', 'copy'])).toMatchObject({ code: 1, stdout: expect.stringContaining('opening-differs') as string });
    expect((await run(['audit', 'export', 'copy'])).code).toBe(0);
    expect(existsSync(file)).toBe(false);
  });

  it('G8: says that a log is incomplete whose bytes are as signed, where a number was never recorded', async () => {
    log.publish(600, (index) => leafAt(index).replace(/"n":"\d+"/, `"n":"${index + (index < 300 ? 1 : 2)}"`));
    const ran = await run(['audit', 'verify']);
    expect(ran).toMatchObject({ code: 1, stdout: expect.stringMatching(/^verdict +INCOMPLETE\n/) as string, stderr: expect.stringContaining('something was left out before') as string });
    expect(ran.stdout).toContain('counter-gap: number 301 of issuer/0 was never recorded');
    expect((await run(['audit', 'export', 'copy'])).stdout).toMatch(/^verdict +INCOMPLETE\n/);
  });

  it('G8: remembers each log of a policy by itself', async () => {
    const other = new PublishedLog('other.example.org');
    await other.start();
    other.publish(300);
    writeFileSync(join(home, 'both'), `log ${log.vkey}\nlog ${other.vkey}\nquorum none\n`);
    const verify = async (address: string) => (await run(['audit', 'verify', address, '--policy', 'both'])).stdout;
    expect(await verify(log.url)).toContain('none remembered');
    expect(await verify(other.url)).toContain('none remembered');
    expect(await verify(log.url)).toContain('600 entries; this log begins with them');
    log.publish(650, (index) => (index === 3 ? '{}' : leafAt(index)));
    expect(await verify(log.url)).toContain('history-rewritten');
    other.stop();
  });

  it('G8: says that a log may be held back when its newest entry is old, and asks no copy to be of today', async () => {
    log.publish(600, (index) => leafAt(index).replace(/"rec":"[^"]+"/, `"rec":"${new Date(startMs - 3_600_000 + index).toISOString()}"`));
    expect(await run(['audit', 'verify'])).toMatchObject({ code: 8, stdout: expect.stringMatching(/^verdict +intact, but OLD\n/) as string, stderr: expect.stringContaining('shown the log as it was') as string });
    expect((await run(['audit', 'watch'], { interruptWhen: ({ stderr }) => stderr.includes('You may be shown the log as it was') })).code).toBe(0);
    expect((await run(['audit', 'export', 'copy'])).code).toBe(0);
    expect(await run(['audit', 'verify', 'copy'])).toMatchObject({ code: 0, stderr: '' });
  });

  it('waits for witnesses that have not signed yet, and shows nothing until they have', async () => {
    const witness = SignerKey.generate('witness.example.org', keyTypes.cosignature);
    writeFileSync(join(home, 'witnessed'), `log ${log.vkey}\nwitness w ${witness.verifier.toString()}\nquorum w\n`);
    const ran = await run(['audit', 'watch', '--policy', 'witnessed'], { interruptWhen: ({ stderr }) => stderr.includes('Waiting') });
    expect(ran).toEqual({ code: 0, stdout: '', stderr: 'Too few witnesses have signed the newest checkpoint. Waiting until they have.\n' });
  });

  it('G8: copies a log into an object store, verified before and after, and goes on there', async () => {
    const store = new Bucket();
    await store.start();
    const env = { WRIT_AUDIT_URL: log.url, WRIT_LOG_VKEY: log.vkey, AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret', AWS_ENDPOINT_URL: store.url };
    const exported = () => run(['--json', 'audit', 'export', '--to', 's3://logs/copy'], { env });
    expect(JSON.parse((await exported()).stdout)).toMatchObject({ from: 0, to: 600 });
    log.publish(700);
    expect(JSON.parse((await exported()).stdout)).toMatchObject({ from: 600, to: 700 });
    const report = await verifyLog(tileSource(async (path) => store.objects.get(`/logs/copy/${path}`)), { policy: parsePolicy(`log ${log.vkey}\nquorum none\n`) });
    expect([report.findings, report.checked]).toEqual([[], 700]);
    expect(store.objects.get('/logs/copy/verify.html')?.toString()).toContain('<title>Check an audit log</title>');
    log.publish(800, (index) => (index === 3 ? '{}' : leafAt(index)));
    expect(await run(['audit', 'export', '--to', 's3://logs/copy'], { env })).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing was copied') as string });
    expect(await run(['audit', 'export', '--to', 's3://logs/copy'], { env: { ...env, AWS_SECRET_ACCESS_KEY: '' } })).toMatchObject({ code: 2 });
    expect([...store.callers]).toEqual(['id']);
    store.stop();
  });

  it('goes on with an export that was broken off, and fetches only what is missing', async () => {
    await run(['audit', 'export', 'copy']);
    rmSync(join(home, 'copy/tile/entries/000'));
    writeFileSync(join(home, 'copy/tile/0/001'), 'half');
    log.requests = [];
    expect((await run(['audit', 'export', 'copy'])).stdout).toContain('2 were fetched now');
    expect(log.requests.filter((path) => path.includes('entries'))).toEqual(['/tile/entries/000']);
    log.publish(700);
    expect((await run(['--json', 'audit', 'export', 'copy'])).stdout).toContain('"size":700');
  });

  it('G8: notices an edit in an export, and history that was rewritten since the last time', async () => {
    await run(['audit', 'export', 'copy']);
    const file = join(home, 'copy/tile/entries/001');
    writeFileSync(file, readFileSync(file).fill(0x20, 500, 501));
    expect(await run(['audit', 'verify', 'copy'])).toMatchObject({ code: 1, stdout: expect.stringContaining('NOT INTACT') as string });
    log.publish(650, (index) => (index === 3 ? '{}' : leafAt(index)));
    const ran = await run(['audit', 'verify']);
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain('history-rewritten');
    const before = readFileSync(join(home, 'copy/checkpoint'), 'utf8');
    expect(await run(['audit', 'export', 'copy'])).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing was changed here') as string });
    expect(readFileSync(join(home, 'copy/checkpoint'), 'utf8')).toBe(before);
  });

  it('G8: proves a token’s life from one file, and refuses one that was edited, cut or is of another log', async () => {
    const bundle = await log.bundle(600) as { entries: { index: number; leaf: string }[] };
    const check = async (name: string, content: object) => {
      writeFileSync(join(home, name), JSON.stringify(content));
      return run(['audit', 'prove', name]);
    };
    expect(await check('good.json', bundle)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^verdict +proven\n/) as string });
    const edited = { ...bundle, entries: bundle.entries.map((entry) => (entry.index === 205 ? { ...entry, leaf: entry.leaf.replace('retired', 'retried') } : entry)) };
    expect(await check('edited.json', edited)).toMatchObject({ code: 1, stdout: expect.stringContaining('entry 205') as string });
    expect(await check('cut.json', { ...bundle, entries: bundle.entries.filter(({ index }) => index !== 305) })).toMatchObject({ code: 1, stdout: expect.stringContaining('entry 405') as string });
    expect(await check('sealed.json', { ...bundle, newest: await log.newest(600, 505) })).toMatchObject({ code: 0 });
    expect(await check('shortened.json', { ...bundle, entries: bundle.entries.slice(0, -1), newest: await log.newest(600, 505) })).toMatchObject({ code: 1, stdout: expect.stringContaining('entry 505 was the token’s newest') as string });
    const other = SignerKey.generate(origin, keyTypes.ed25519).verifier.toString();
    expect(await run(['audit', 'prove', 'good.json', '--vkey', other])).toMatchObject({ code: 1, stdout: expect.stringContaining('NOT PROVEN') as string });
  });

  it('G8: fetches a token’s proofs into one file, however many answers they take', async () => {
    const bundle = await log.bundle(600) as { entries: object[] };
    const path = `/v1/tokens/${tokenId}/proof-bundle`;
    log.answers.set(path, JSON.stringify({ ...bundle, entries: bundle.entries.slice(0, 5), nextUses: 305, truncated: true }));
    log.answers.set(`${path}?uses=305`, JSON.stringify({ ...bundle, entries: bundle.entries.slice(3) }));
    const env = { ...Object.fromEntries(serviceNames.map((name) => [`WRIT_${name.toUpperCase()}_URL`, log.url])), WRIT_LOG_VKEY: log.vkey, WRIT_AUDITOR_TOKEN: 'of-ada' };
    const ran = await run(['--json', 'audit', 'prove', tokenId], { env });
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ran.stdout)).toMatchObject({ proven: true, truncated: false, entries: bundle.entries.length });
    expect(await run(['audit', 'prove', `${tokenId}.proof.json`])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^verdict +proven\n/) as string });
    log.answers.set(`${path}?uses=305`, JSON.stringify({ ...bundle, nextUses: 305 }));
    expect(await run(['audit', 'prove', tokenId], { env })).toMatchObject({ code: 1, stderr: expect.stringContaining('the same uses again and again') as string });
  });

  it('G8: follows the log, prints what is new, and stops at a head that is no continuation', async () => {
    await run(['audit', 'verify']);
    log.publish(603);
    const followed = await run(['audit', 'watch'], { env: { WRIT_AUDIT_URL: log.url, WRIT_LOG_VKEY: log.vkey }, interruptWhen: ({ stdout }) => /^ *602 .*\n/m.test(stdout) });
    expect(followed.code).toBe(0);
    expect(followed.stdout.trim().split('\n').map((line) => line.trim().split(' ')[0])).toEqual(['600', '601', '602']);
    log.publish(610, (index) => (index === 601 ? '{}' : leafAt(index)));
    expect(await run(['audit', 'watch'])).toMatchObject({ code: 1, stderr: expect.stringContaining('not what it claims to be') as string });
    log.publish(100);
    expect((await run(['audit', 'watch'])).stderr).toContain('it had 603 before');
  });
});
