import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { verifierPage } from '@writ/site';
import { logKey, type MemoryLog } from '../../tlog/test/memory-log.js';
import { bundleCases, logCases } from './corpus.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
/** A folder to keep pictures of the page in, for whoever wants to look at it. */
const pictures = process.env.WRIT_TEST_PICTURES;
const bundles = await bundleCases();

if (!executablePath) it('is not tested in a browser here: there is none, and none may be installed', () => expect(executablePath).toBeUndefined());
else describe('the verifier page, opened as a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'writ-page-'));
  let browser: Browser;
  let page: Page;
  beforeAll(async () => {
    writeFileSync(join(folder, 'verify.html'), verifierPage().html);
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    page = await browser.newPage({ viewport: { width: 1_000, height: 1_000 } });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true });
  });

  const open = async (address: string) => {
    await page.goto(address);
    await page.fill('#vkey', logKey.verifier.toString());
  };
  const said = async (name: string) => {
    await page.waitForSelector('.verdict');
    if (pictures) await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
    return { verdict: await page.textContent('.verdict strong'), all: await page.innerText('#result') };
  };

  it.each(bundles)('judges the bundle $name as the command line does (G8)', async ({ name, bundle, says }) => {
    await open(`file://${folder}/verify.html`);
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(bundle));
    await page.setInputFiles('#bundle', file);
    const { verdict, all } = await said(`bundle-${name}`);
    expect(verdict).toBe(says ? 'NOT PROVEN' : 'Proven');
    if (says) expect(all).toMatch(new RegExp(says, 'i'));
  });

  it.each(logCases())('judges the log $name as the command line does (G8)', async ({ name, log, verdict, says }) => {
    await open(`file://${folder}/verify.html`);
    await page.evaluate('localStorage.clear()');
    await page.setInputFiles('#folder', published(log, join(folder, name)));
    const shown = await said(`log-${name}`);
    expect(shown.verdict?.toLowerCase()).toBe(verdict);
    if (says) expect(shown.all).toMatch(new RegExp(says, 'i'));
  });

  it('proves a bundle that was cut as far as it goes, and says that it was cut', async () => {
    await open(`file://${folder}/verify.html`);
    writeFileSync(join(folder, 'cut.json'), JSON.stringify({ ...bundles[0]!.bundle, truncated: true }));
    await page.setInputFiles('#bundle', join(folder, 'cut.json'));
    expect((await said('bundle-cut')).verdict).toBe('Proven as far as it goes');
  });

  it('says that a log which is served may be held back when its newest entry is old (G8)', async () => {
    const site = published(logCases()[0]!.log, join(folder, 'served'));
    writeFileSync(join(site, 'verify.html'), verifierPage().html);
    const server: Server = createServer((request, response) => {
      const file = join(site, decodeURI(request.url!));
      response.writeHead(existsSync(file) ? 200 : 404, { 'content-type': file.endsWith('.html') ? 'text/html' : 'text/plain' }).end(existsSync(file) ? readFileSync(file) : '');
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/verify.html`);
    await page.click('#here');
    expect(await said('log-old')).toMatchObject({ verdict: 'Intact, but old', all: expect.stringContaining('2026-01-01 00:08:20 UTC') as string });
    server.closeAllConnections();
    server.close();
  });
});

/** Writes a log as its files. @returns the folder */
function published(log: MemoryLog, folder: string): string {
  for (const [path, bytes] of log.files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  return folder;
}
