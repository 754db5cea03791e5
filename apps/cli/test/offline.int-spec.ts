import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mint } from '@writ/token';
import { build, root, writ, writInto } from './run.js';

const sample = join(root, 'policies/sample');
const vkey = 'writ.localhost/8f7b816f+c5051883+AdSpclqGrlSUQAjl/yLY5U5l1eaOI54LHbuzz+lLrYjm';

describe('the command line without a platform', () => {
  let folder: string;
  beforeAll(build, 120_000);
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'writ-cli-')); });
  afterEach(() => rmSync(folder, { recursive: true }));
  const broken = (change: (text: string) => string, file = 'cases.yaml') => {
    const copy = join(folder, 'set');
    cpSync(sample, copy, { recursive: true });
    writeFileSync(join(copy, file), change(readFileSync(join(copy, file), 'utf8')));
    return copy;
  };

  it('says that a good policy set is valid, with 0, on stdout alone', async () => {
    const ran = await writ(['policy', 'validate', sample]);
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^verdict {2}valid\nset {6}sha256:[0-9a-f]{64}\ncases {4}14 of 14 hold\nproven {3}3 of 3 assertions\./);
  });

  it('shows each problem of a set with its place and a caret, and ends with 3', async () => {
    const set = broken((text) => text.replace('environment: dev', 'enviroment: dev'));
    const ran = await writ(['policy', 'validate', set]);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toMatch(/^cases\.yaml:\d+:\d+ error unknown-key: .*did you mean "environment"\?/);
    expect(ran.stdout).toMatch(/\n +\^\n/);
    expect(ran.stderr).toContain('not valid');
  });

  it('ignores what else a policy repository holds', async () => {
    const set = broken((text) => text);
    writeFileSync(join(set, 'README.md'), '# Our rules');
    writeFileSync(join(set, '.hidden.yaml'), 'x: [');
    expect((await writ(['policy', 'validate', set])).code).toBe(0);
  });

  it('compares a set with another, so that a pull request shows what it loosens', async () => {
    const looser = broken((text) => text.replace('"2"', '"1"').replaceAll('require: { security: 2 }', 'require: { security: 1 }'), 'review.cedar');
    writeFileSync(join(looser, 'cases.yaml'), readFileSync(join(looser, 'cases.yaml'), 'utf8').replaceAll('security: 2', 'security: 1'));
    const { stdout } = await writ(['--json', 'policy', 'validate', looser, '--against', sample]);
    expect((JSON.parse(stdout) as { loosening: { loosened: boolean; statement: string } }).loosening).toMatchObject({ loosened: true, statement: expect.stringContaining('fewer people') as string });
  });

  it('lists golden cases as a table and says of a failing one what differs', async () => {
    const ran = await writ(['policy', 'test', broken((text) => text.replace('outcome: deny, code: unknown-scope', 'outcome: approve'))]);
    expect(ran.code).toBe(3);
    expect(ran.stdout).toMatch(/^FAILS {2}deny {5}wildcards are never issued$/m);
    expect(ran.stderr).toContain('outcome is "deny", not "approve"');
    expect((await writ(['--json', 'policy', 'test', sample])).stdout.trim().split('\n').map((line) => (JSON.parse(line) as { passed: boolean }).passed)).toEqual(Array(14).fill(true));
  });

  it('explains a decision in words, with what to ask instead', async () => {
    const asked = ['--requester', 'svc:x', '--team', 'orders', '--resource', 'orders', '--scope', 'orders:read', '--env', 'prod', '--ttl', 'P400D'];
    const { stdout, code } = await writ(['policy', 'explain', sample, ...asked]);
    expect(code).toBe(0);
    expect(stdout).toContain('Answer: deny.');
    expect(stdout).toContain('Instead: It would be approved automatically');
    expect(await writ(['policy', 'explain', sample, '--case', 'no such'])).toMatchObject({ code: 5, stderr: expect.stringContaining('writ policy test lists them') as string });
    expect(await writ(['policy', 'explain', sample, '--team', 'x'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--requester') as string });
  });

  it('G3: finds a secret in files, in the index, in history and on stdin, and never prints it', async () => {
    const secret = mint('prod', new Uint8Array(32).fill(9)).reveal();
    const git = (...args: string[]) => execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args]);
    git('init', '-q');
    writeFileSync(join(folder, 'app.env'), `A=1\nTOKEN=${secret}\n`);
    writeFileSync(join(folder, 'logo.bin'), Buffer.concat([Buffer.from([0]), Buffer.from(secret)]));
    const inFiles = await writ(['scan'], { cwd: folder });
    git('add', 'app.env');
    const staged = await writ(['scan', '--staged'], { cwd: folder });
    git('commit', '-qm', 'one');
    git('rm', '-q', 'app.env');
    git('commit', '-qm', 'two');
    const history = await writ(['scan', '--history', '--report', 'json'], { cwd: folder });
    const piped = await writ(['scan', '-'], { cwd: folder, input: `x ${secret}` });
    for (const ran of [inFiles, staged, history, piped]) {
      expect(ran.code).toBe(1);
      expect(ran.stdout + ran.stderr).not.toContain(secret.slice(10, 30));
    }
    expect(inFiles.stdout).toContain('app.env:2:7');
    expect(inFiles.stderr).toContain('1 read, 1 binary or too large, skipped');
    expect(staged.stdout).toContain('app.env:2:7');
    expect((JSON.parse(history.stdout) as { finds: object[]; commits: number })).toMatchObject({ commits: 2, finds: [{ line: 2, column: 7, environment: 'prod' }] });
    git('update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},submodule`);
    expect(await writ(['scan', '--staged'], { cwd: folder })).toMatchObject({ code: 0, stderr: expect.stringContaining('nothing to look at') as string });
    expect(await writ(['scan', '--staged'], { cwd: tmpdir() })).toMatchObject({ code: 2, stderr: expect.stringContaining('no git repository') as string });
  });

  it('G3: stops a commit as a hook does, until the secret is gone or listed as a sample by its SHA-256', async () => {
    const [repository, secret, other] = [mkdtempSync(join(tmpdir(), 'writ-hook-')), ...[5, 6].map((seed) => mint('prod', new Uint8Array(32).fill(seed)).reveal())] as [string, string, string];
    const git = (...args: string[]) => spawnSync('git', ['-C', repository, '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...args], { encoding: 'utf8' });
    git('init', '-q');
    writeFileSync(join(repository, '.git/hooks/pre-commit'), `#!/bin/sh\nexec '${process.execPath}' '${join(root, 'apps/cli/dist/main.js')}' scan --staged\n`, { mode: 0o755 });
    writeFileSync(join(repository, 'sample.txt'), `${secret}\n`);
    git('add', '.');
    const stopped = git('commit', '-qm', 'with a secret');
    expect([stopped.status, stopped.stderr]).toEqual([1, expect.stringContaining('A secret is where none may be')]);
    expect(stopped.stdout + stopped.stderr).not.toContain(secret.slice(10, 30));
    writeFileSync(join(repository, '.writscan-allow'), `# samples\n${createHash('sha256').update(secret).digest('hex')}  # of the tests\n`);
    git('add', '.');
    expect(git('commit', '-qm', 'with a sample').status).toBe(0);
    mkdirSync(join(repository, 'below'));
    expect((await writ(['scan', '..'], { cwd: join(repository, 'below') })).stderr).toContain('1 allowed by .writscan-allow');
    renameSync(join(repository, '.git'), join(repository, 'not-git'));
    expect((await writ(['scan', '../sample.txt'], { cwd: join(repository, 'below') })).code).toBe(1);
    renameSync(join(repository, 'not-git'), join(repository, '.git'));
    writeFileSync(join(repository, 'sample.txt'), `${secret}\n${other}\n`);
    git('add', '.');
    expect(git('commit', '-qm', 'with another').status).toBe(1);
    writeFileSync(join(repository, '.writscan-allow'), `${createHash('sha256').update(secret).digest('hex').slice(0, 12)}\n`);
    expect(await writ(['scan'], { cwd: repository })).toMatchObject({ code: 2, stderr: expect.stringContaining('line 1 is no SHA-256') as string });
    rmSync(repository, { recursive: true });
  });

  it('finds nothing in this repository but the samples that it lists', async () => {
    expect(await writ(['scan', '--staged'], { cwd: root })).toMatchObject({ code: 0 });
    const ran = await writ(['scan', 'libs', 'apps', 'docs', 'scripts', 'e2e', 'bench'], { cwd: root });
    expect([ran.code, ran.stderr]).toEqual([0, expect.stringContaining('5 allowed by .writscan-allow')]);
  });

  it('colours nothing in a pipe or under NO_COLOR, and cuts nothing there', async () => {
    const { stdout } = await writ(['policy', 'test', sample], { env: { NO_COLOR: '1', COLUMNS: '20' } });
    expect(stdout).not.toContain('\u001b');
    expect(stdout).not.toContain('…');
  });

  it('ends well when whoever reads its output leaves early', async () => {
    expect(await writInto('head -n 1', ['policy', 'test', sample])).toBe(0);
    expect(await writInto('true', ['--json', 'policy', 'test', sample])).toBe(0);
  });

  it.each<[string, string[], number, RegExp, Record<string, string>?]>([
    ['an unknown command', ['nonsense'], 2, /unknown command/],
    ['a missing argument', ['policy', 'validate'], 2, /missing required argument/],
    ['a folder that is not there', ['policy', 'validate', '/nowhere'], 5, /There is no folder \/nowhere\.\nName the folder/],
    ['a variable that is not set', ['audit', 'verify'], 2, /WRIT_AUDIT_URL is not set\.\nRun where/],
    ['a log whose key nobody named', ['audit', 'verify', root], 2, /whose log it has to be\.\nGive the key .* --vkey/],
    ['an address that is none', ['audit', 'verify', '--vkey', vkey], 2, /WRIT_AUDIT_URL is not an address: audit\.example:4005\./, { WRIT_AUDIT_URL: 'audit.example:4005' }],
    ['no secret on stdin', ['verify'], 2, /Give the token as an argument, or on stdin/],
    ['nobody signed in', ['whoami'], 4, /You are not signed in\.\nRun writ login/],
    ['a file that is no proof', ['audit', 'prove', join(root, 'package.json'), '--vkey', vkey], 2, /is not a proof bundle\.\nGive a token’s id/],
    ['what is no secret', ['burn', 'junk'], 2, /no secret/],
    ['a service that is not there', ['audit', 'verify', 'http://127.0.0.1:9', '--vkey', vkey], 8, /no answer.*\nIs the audit service running/],
  ])('says in a sentence what is wrong and what to do, with the documented exit code: %s', async (_what, args, code, words, env = {}) => {
    const ran = await writ(args, { cwd: folder, env });
    expect(ran).toMatchObject({ code, stdout: '' });
    expect(ran.stderr).toMatch(words);
  });

  /** Runs `writ` beside a platform that answers so; undefined = the answer is lost. */
  const against = async (answerTo: (path: string) => object | undefined, args: string[]) => {
    const asked: [method: string, path: string, body: unknown][] = [];
    const server = createServer(async (request, response) => {
      const text = (await request.setEncoding('utf8').toArray()).join('');
      const path = request.url as string;
      asked.push([request.method as string, path, text === '' ? undefined : JSON.parse(text)]);
      const answer = answerTo(path);
      if (answer === undefined) return response.destroy();
      response.setHeader('content-type', 'application/json');
      return response.end(JSON.stringify(answer));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const urls = Object.fromEntries(['REQUEST', 'POLICY', 'ISSUER', 'ROTATION', 'AUDIT', 'MONITOR'].map((name) => [`WRIT_${name}_URL`, url]));
    const ran = await writ(args, { cwd: folder, env: { ...urls, WRIT_TOKEN: 'x' } });
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
    return { ...ran, asked };
  };

  it('extends a token by asking anew for the very same with a later end, and by nothing else (G6)', async () => {
    const token = { tokenId: 'tok_1', owner: { id: 'svc:a', team: 'orders' }, resource: 'orders', scopes: ['orders:read'], environment: 'dev', delivery: { mode: 'claim' }, expiresAt: '2026-06-01T00:00:00Z' };
    const ran = await against((path) => (path.endsWith('/tok_1') ? token : { requestId: 'req_1', status: 'held' }), ['extend', 'tok_1', '--ttl', 'P30D']);
    expect(ran).toMatchObject({ code: 0, stdout: 'req_1  held\n' });
    expect(ran.asked).toEqual([['GET', '/v1/tokens/tok_1', undefined], ['POST', '/v1/requests', {
      requester: { id: 'svc:a' }, reason: 'extending tok_1', resource: 'orders', scopes: ['orders:read'], environment: 'dev', delivery: { mode: 'claim' }, ttl: 'P30D', replaces: 'tok_1',
    }]]);
    expect(await writ(['extend', 'tok_1'], { cwd: folder, env: { WRIT_TOKEN: 'x' } })).toMatchObject({ code: 2, stderr: expect.stringContaining('either --ttl or --until') as string });
  });

  it('has an owner back by name', async () => {
    const ran = await against(() => ({ ownerId: 'svc:a/b' }), ['reinstate', 'svc:a/b']);
    expect(ran).toMatchObject({ code: 0, stdout: 'svc:a/b may ask for tokens again; nothing of what ended comes back.\n' });
    expect(ran.asked).toEqual([['POST', '/v1/owners/svc%3Aa%2Fb/reinstate', {}]]);
  });

  it('watches a mass rotation again, and stops it', async () => {
    const campaign = { campaignId: 'cmp_1', spreadAt: '2026-06-01T00:00:00Z', total: 5, seen: 3, skipped: 1, rotations: { claimable: 2 } };
    const words = 'cmp_1: 3 of 5 tokens seen, 1 rotating already; 2 claimable\n';
    expect(await against(() => campaign, ['campaign', 'watch', 'cmp_1'])).toMatchObject({ code: 0, stdout: words });
    const stopped = await against(() => campaign, ['campaign', 'stop', 'cmp_1']);
    expect([stopped.stdout, stopped.asked]).toEqual([words, [['POST', '/v1/campaigns/cmp_1/stop', {}]]]);
  });

  describe('asked to rotate and wait', () => {
    const rotationId = 'rot_00000000000000000000000001';
    /** A platform whose new secret is in this state, and which loses the answers to claims. */
    const rotating = (state: string, mode: string, args: string[]) => {
      const rotation = { rotationId, state, cause: 'requested', by: { iss: 'x', sub: 'ada' }, reason: 'laptop lost', steered: { command: 'force', by: { iss: 'x', sub: 'bob' }, reason: 'enough' }, startedAt: new Date(), deadlineAt: new Date(), claimBefore: new Date(), blocked: false, stragglers: [{ gateway: 'orders-api', agent: 'curl', lastSeenAt: new Date(), count: 1 }] };
      return against((path) => (path.endsWith('/claim') ? undefined : path.endsWith('/rotations') ? { items: [rotation] } : { ...rotation, delivery: { mode } }), args);
    };

    it('is content with a new secret that is sealed, and not with one that somebody else claimed', async () => {
      expect(await rotating('delivered', 'sealed', ['rotate', 'tok_1', '--wait'])).toMatchObject({ code: 0, stdout: expect.stringContaining(rotationId) });
      expect(await rotating('delivered', 'claim', ['rotate', 'tok_1', '--wait'])).toMatchObject({ code: 6, stderr: expect.stringContaining('writ rotations tok_1') });
      expect(await rotating('stopped', 'sealed', ['rotate', 'tok_1', '--wait'])).toMatchObject({ code: 6, stdout: '' });
    });

    it('ends with 7 where there is no new secret in time', async () => {
      expect(await rotating('due', 'claim', ['rotate', 'tok_1', '--wait', '--timeout', '0'])).toMatchObject({ code: 7, stdout: '', stderr: expect.stringContaining('is due') });
    });

    it('says how to ask again for a secret whose answer was lost, with the same key', async () => {
      const { code, stderr } = await rotating('claimable', 'claim', ['rotate', 'tok_1', '--wait']);
      expect(code).toBe(8);
      expect(stderr).toMatch(new RegExp(`writ claim tok_1 --rotation ${rotationId} --key [0-9a-f-]{36}`));
    });

    it('shows afterwards who still shows the old secret, and who wanted what and why', async () => {
      const { stdout } = await rotating('delivered', 'claim', ['rotations', 'tok_1']);
      expect(stdout).toMatch(/cause +requested, by ada: laptop lost\ntold +to force, by bob: enough\n/);
      expect(stdout).toMatch(/still shown +curl from an unknown network at orders-api/);
    });
  });
});
