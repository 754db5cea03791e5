import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { ProofBundle } from '@writ/contracts';
import { verifierPage } from '@writ/site';
import { until } from '@writ/testing';
import { SignerKey } from '@writ/tlog';
import { HeadsJob } from '../src/heads/heads.job.js';
import { AuditBench } from './audit-bench.js';
import { alive, approved, issued, newRequest, newToken, recorded, revoked, submitted, used } from './samples.js';
import { origin } from './signer-process.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
/** A folder to keep pictures of the page in, for whoever wants to look at it. */
const pictures = process.env.WRIT_TEST_PICTURES;

const weakContrasts = `(${readFileSync(join(import.meta.dirname, 'weak-contrasts.js'), 'utf8')})()`;

describe('the policy of the verifier page', () => {
  it('allows its one script and its one style by their digests, and nothing else', () => {
    const { html, contentSecurityPolicy } = verifierPage();
    const digestOf = (tag: string) => `'sha256-${createHash('sha256').update(new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(html)![1]!).digest('base64')}'`;
    expect(contentSecurityPolicy).toBe(`default-src 'none'; script-src ${digestOf('script')}; style-src ${digestOf('style')}; connect-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; frame-ancestors 'none'`);
    expect(html).not.toMatch(/innerHTML|<script [^>]*src|https?:\/\//);
  });
});

if (!executablePath) it('is not tested in a browser here: there is none, and none may be installed', () => expect(executablePath).toBeUndefined());
else describe('a browser that checks the log', () => {
  let audit: AuditBench;
  let browser: Browser;
  let page: Page;
  let bundle: ProofBundle;
  let complaints: string[] = [];
  const url = () => audit.services[0]!.url;
  const vkey = () => audit.signer.vkey.toString();

  beforeAll(async () => {
    audit = await AuditBench.create();
    await audit.start();
    const { bus } = audit.bench;
    const tokenId = newToken();
    const requestId = newRequest();
    // One after the other: queues have no order between them, and the tests change entries by their place.
    for (const say of [
      () => bus.say('request', 'request.submitted', submitted(requestId, 'alice')),
      () => bus.say('policy', 'review.recorded', recorded(requestId, 'rita')),
      () => bus.say('policy', 'request.approved', approved(requestId)),
      () => bus.say('issuer', 'token.issued', issued(tokenId, requestId, 'alice'), { aggregateversion: 1 }),
    ]) await audit.recorded([await say()]);
    const rest = [await bus.say('issuer', 'usage.recorded', used(tokenId, 20)), await bus.say('issuer', 'token.revoked', revoked(tokenId, 'alice'), { aggregateversion: 2 })];
    await audit.recorded([...rest, ...await Promise.all(Array.from({ length: 600 }, () => bus.say('issuer', 'service.alive', alive())))]);
    await audit.services[0]!.app.get(HeadsJob).round();
    bundle = await until(async () => {
      const found = (await (await audit.get(audit.services[0]!, `/v1/tokens/${tokenId}/proof-bundle`)).json()) as ProofBundle;
      return found.entries?.length === 6 && found.newest !== undefined && found;
    }, 'the bundle');
    await until(async () => Number((await (await fetch(`${url()}/checkpoint`)).text()).split('\n')[1]) > 600, 'the checkpoint');
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await audit.drop();
  });
  beforeEach(async () => {
    page = await browser.newPage({ viewport: { width: 1_000, height: 1_150 } });
    complaints = [];
    page.on('console', (message) => complaints.push(message.text())).on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`${url()}/verify.html`);
  });
  afterEach(async () => {
    expect(complaints.filter((text) => !text.includes('404'))).toEqual([]);
    await page.close();
  });

  /** What it says first and loudest, and all of it. */
  const said = async () => {
    await page.waitForSelector('.verdict', { timeout: 20_000 });
    return { verdict: await page.textContent('.verdict strong'), all: await page.innerText('#result') };
  };
  const picture = async (name: string) => {
    if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
  };
  const give = async (content: unknown) => {
    const file = join(audit.bench.dir, 'bundle.json');
    writeFileSync(file, JSON.stringify(content));
    await page.setInputFiles('#bundle', file);
    return said();
  };
  const changed = (change: (copy: ProofBundle) => void) => {
    const copy = structuredClone(bundle);
    change(copy);
    return copy;
  };

  it('proves a token’s whole life from one file, and asks nobody for anything (G8)', async () => {
    await picture('start');
    await page.fill('#vkey', vkey());
    const requests: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    const { verdict, all } = await give(bundle);
    expect(verdict).toBe('Proven');
    for (const type of ['request.submitted', 'review.recorded', 'request.approved', 'token.issued', 'usage.recorded', 'token.revoked']) expect(all).toContain(type);
    expect(all).toContain('10 shown, each proven in its batch');
    expect(all).toMatch(/up to entry \d+ of the log/);
    expect(requests).toEqual([]);
    await page.click('ol.life li:first-child summary');
    expect(await page.innerText('ol.life li:first-child')).toContain('nightly export for alice');
    await picture('proven');
    await page.emulateMedia({ colorScheme: 'dark' });
    await picture('proven-dark');
  });

  it.each<[string, string, (copy: ProofBundle) => void]>([
    ['an edited entry', 'NOT IN THE LOG', (copy) => { copy.entries[3]!.leaf = copy.entries[3]!.leaf.replace('"prod"', '"test"'); }],
    ['an edited field beside the entry', 'not the recorded one', (copy) => {
      const [salt, name] = JSON.parse(Buffer.from(copy.entries[0]!.disclosures[0]!, 'base64url').toString()) as [string, string];
      copy.entries[0]!.disclosures[0] = Buffer.from(JSON.stringify([salt, name, 'something else'])).toString('base64url');
    }],
    ['an entry left out', 'LEFT OUT', (copy) => { copy.entries.splice(3, 1); }],
    ['its last entry left out', 'newest', (copy) => { copy.entries.pop(); }],
    ['another entry’s proof', 'NOT IN THE LOG', (copy) => { copy.entries[1]!.proof = copy.entries[2]!.proof; }],
    ['a forged signature', 'FORGED', (copy) => { for (const entry of copy.entries) entry.proof = entry.proof.replace(/(.{40})(.)(.*\n)$/, (_, before, char, after) => `${before}${char === 'A' ? 'B' : 'A'}${after}`); }],
    ['an invented use', 'not in the batch', (copy) => { copy.uses[0]!.disclosure = copy.uses[1]!.disclosure; }],
  ])('says loudly that a file is not proven with %s (G8)', async (what, why, change) => {
    await page.fill('#vkey', vkey());
    const { verdict, all } = await give(changed(change));
    expect(verdict).toBe('NOT PROVEN');
    expect(all).toContain(why);
    expect(await page.$$('.verdict.good')).toEqual([]);
    if (what === 'an edited entry') await picture('tampered');
  });

  it('tells a file that contradicts nothing from one whose signer is known (G8)', async () => {
    expect((await give(bundle)).verdict).toContain('whose is it?');
    await page.fill('#vkey', SignerKey.generate(origin, 1).verifier.toString());
    expect((await give(bundle)).verdict).toBe('NOT PROVEN');
    await page.fill('#vkey', 'not a key');
    expect(await give(bundle)).toMatchObject({ verdict: 'NOT PROVEN', all: expect.stringContaining('not of the form') as string });
    await page.fill('#vkey', vkey());
    expect(await give({ format: 'something else' })).toMatchObject({ verdict: 'NOT PROVEN' });
  });

  it('checks the whole log where it is published, and remembers it (G8)', async () => {
    await page.fill('#vkey', vkey());
    await page.click('#here');
    expect(await said()).toMatchObject({ verdict: 'Intact', all: expect.stringMatching(/service\.alive\s+60\d/) as string });
    await picture('log');
    await page.evaluate(`for (const [name, seen] of Object.entries(localStorage)) {
      localStorage.setItem(name, JSON.stringify({ size: JSON.parse(seen).size - 7, root: btoa('x'.repeat(32)) }));
    }`);
    await page.click('#here');
    await page.waitForSelector('.verdict.bad');
    expect(await said()).toMatchObject({ verdict: 'NOT INTACT', all: expect.stringContaining('REWRITTEN') as string });
  });

  it('finds what was done to a copy of the log that somebody hands over (G8)', async () => {
    await page.fill('#vkey', vkey());
    const copy = join(audit.bench.dir, 'handed-over');
    cpSync(join(audit.bench.dir, 'site-0'), copy, { recursive: true });
    await page.setInputFiles('#folder', copy);
    expect((await said()).verdict).toBe('Intact');
    const bundleFile = join(copy, 'tile/entries/000');
    writeFileSync(bundleFile, Buffer.from(readFileSync(bundleFile, 'latin1').replace('"issuer"', '"policy"'), 'latin1'));
    await page.setInputFiles('#folder', copy);
    await page.waitForSelector('.verdict.bad');
    expect(await said()).toMatchObject({ verdict: 'NOT INTACT', all: expect.stringContaining('do NOT hash to the signed root') as string });
    await picture('tampered-log');
  });

  it('can be used by keyboard and is told to a screen reader', async () => {
    const names: string[] = [];
    for (let i = 0; i < 5; i++) {
      await page.keyboard.press('Tab');
      names.push(await page.evaluate('document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent'));
    }
    expect(names.map((name) => name.trim()).slice(0, 4)).toEqual(['1. The log’s public key', 'Choose a proof bundle', 'Check this site’s log', 'Choose a folder']);
    await page.fill('#vkey', vkey());
    await give(bundle);
    expect(await page.getAttribute('#result', 'role')).toBe('alert');
    expect(await page.evaluate('document.activeElement.id')).toBe('result');
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await page.evaluate(weakContrasts)).toEqual([]);
    }
  });
});
