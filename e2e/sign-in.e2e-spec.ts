import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { decodeJwt } from 'jose';
import {
  allowInsecureRequests, authorizationCodeGrant, buildAuthorizationUrl, calculatePKCECodeChallenge, discovery, None, randomPKCECodeVerifier, randomState,
} from 'openid-client';
import { writAs, type Writ } from '@writ/client';
import type { ReviewAnswer } from '@writ/contracts';
import { Browser } from '@writ/testing';
import { need, until, urls } from './platform.js';

const issuer = need('WRIT_OIDC_ISSUER');
const redirectUri = 'http://127.0.0.1/callback';
const main = join(import.meta.dirname, '../apps/cli/dist/main.js');
let home: string;
/** Where the person of the terminal types codes; it keeps its session. */
const browser = new Browser(issuer);
beforeAll(() => { home = mkdtempSync(join(tmpdir(), 'writ-home-')); });
afterAll(() => rmSync(home, { recursive: true }));

/** The command line as a person has it: addresses, and nothing that says who they are. */
function writ(args: string[], env: Record<string, string> = {}, onSaid: (text: string) => void = () => undefined): Promise<{ stdout: string; stderr: string; code: number }> {
  const addresses = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^(WRIT_\w+_URL|WRIT_OIDC_ISSUER|NODE_EXTRA_CA_CERTS|PATH)$/.test(name)));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { cwd: home, env: { ...addresses, HOME: home, ...env } });
    const ran = { stdout: '', stderr: '', code: -1 };
    child.stdout.on('data', (text) => { ran.stdout += String(text); });
    child.stderr.on('data', (text) => { ran.stderr += String(text); onSaid(ran.stderr); });
    child.once('error', reject).once('close', (code) => resolve({ ...ran, code: code ?? -1 }));
  });
}
const json = async <T>(args: string[], env?: Record<string, string>): Promise<T> => {
  const { stdout, stderr, code } = await writ(['--json', ...args], env);
  if (code !== 0) throw new Error(`writ ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as T;
};

/** Types the code of `writ login` into a browser and signs in there. */
async function login(person: string, more: string[] = []): Promise<{ stderr: string; code: number }> {
  let typed: Promise<unknown> | undefined;
  const ran = await writ(['login', ...more], {}, (said) => {
    const address = /or open (\S+)\n/.exec(said)?.[1];
    if (address !== undefined) typed ??= typeIn(address, person);
  });
  await typed;
  return ran;
}

async function typeIn(address: string, person: string): Promise<void> {
  let page = await browser.submit(await browser.submit(await browser.get(address)));
  if (page.html.includes('Sign in')) page = await browser.post(`${page.url}/login`, { person });
  if (page.html.includes('Allow access')) page = await browser.post(`${page.url}/confirm`, {});
  expect(page.html).toContain('Connected');
}

/** Signs in as a web application has people do it: code flow with PKCE, by a certified client library. */
async function byCodeFlow(person: string): Promise<Writ> {
  const provider = await discovery(new URL(issuer), 'writ-cli', undefined, None(), issuer.startsWith('http:') ? { execute: [allowInsecureRequests] } : undefined);
  const verifier = randomPKCECodeVerifier();
  const state = randomState();
  const start = buildAuthorizationUrl(provider, { redirect_uri: redirectUri, scope: 'openid profile', code_challenge: await calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state });
  const back = await new Browser(issuer).signIn(start.href, person);
  const { access_token: token } = await authorizationCodeGrant(provider, back, { pkceCodeVerifier: verifier, expectedState: state });
  return writAs(urls, `Bearer ${token}`);
}

describe('people who signed in at the identity provider', () => {
  it('ask, decide and claim: by the device flow on a terminal, by code and PKCE in a browser', async () => {
    expect(await login('requester')).toMatchObject({ code: 0 });
    expect(await json(['whoami'])).toMatchObject({ sub: 'dev-requester', team: 'orders', groups: ['writ-requesters'], iss: issuer, from: 'writ login' });
    const { requestId } = await json<{ requestId: string }>(['request', '--resource', 'orders', '--scope', 'orders:write', '--env', 'prod', '--ttl', 'PT1H', '--reason', 'by real people']);
    for (const person of ['reviewer', 'reviewer2']) {
      const reviewer = await byCodeFlow(person);
      await until('the review', () => reviewer.policy.post<ReviewAnswer>(`/v1/reviews/${requestId}/votes`, { body: { vote: 'approve', reason: 'known' } }).catch((error: { status?: number }) => {
        if (error.status === 404) return undefined;
        throw error;
      }));
    }
    const { tokenId } = await until('the token', async () => {
      const answer = await json<{ status: string; tokenId?: string }>(['requests', requestId]);
      return answer.status === 'issued' && answer;
    });
    expect((await writ(['claim', tokenId as string])).stdout).toMatch(/^writ_prod_[0-9A-Za-z]{49}\n$/);
  }, 60_000);

  it('sign in anew where a vote needs a fresh sign-in, though the browser remembers them', async () => {
    const signedInAt = () => Number(decodeJwt((JSON.parse(readFileSync(join(home, '.local/state/writ/sign-in.json'), 'utf8')) as { accessToken: string }).accessToken).auth_time);
    const first = signedInAt();
    expect(await login('requester', ['--again'])).toMatchObject({ code: 0 });
    expect(signedInAt()).toBeGreaterThan(first);
  }, 60_000);

  it('are forgotten, here and there, when they sign out', async () => {
    expect(await writ(['logout'])).toMatchObject({ code: 0 });
    expect(await writ(['whoami'])).toMatchObject({ code: 4 });
  });
});

describe('a machine', () => {
  const people = join(dirname(need('WRIT_PLATFORM_STATE')), 'people');
  const env = { WRIT_CLIENT_ID: 'dev-keyed-machine', WRIT_CLIENT_KEY_FILE: join(people, 'dev-keyed-machine.pem') };

  it('proves itself by a key that never leaves it, and is in no group', async () => {
    expect(await json(['whoami'], env)).toMatchObject({ sub: 'dev-keyed-machine', client: 'dev-keyed-machine' });
    expect((await writ(['requests'], env)).code).toBe(0);
  });

  it('with a key of somebody else is nobody, and the key is in no message', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const file = join(home, 'other.pem');
    writeFileSync(file, other);
    const ran = await writ(['requests'], { ...env, WRIT_CLIENT_KEY_FILE: file });
    expect(ran.code).toBe(4);
    expect(ran.stderr + ran.stdout).not.toContain(other.split('\n')[1]);
  });
});
