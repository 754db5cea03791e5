import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { serviceNames, writAs, type ServiceUrls, type Writ } from '@writ/client';
import { Ended, exitCodes } from './exit.js';
import { refreshed, savedSignIn, saveSignIn, signInAsMachine, type SignIn } from './sign-in.js';

/** Whose token a command uses when nobody says otherwise, in a development installation. */
export type Part = 'requester' | 'reviewer' | 'reviewer2' | 'admin' | 'admin2' | 'auditor';
export const parts: readonly Part[] = ['requester', 'reviewer', 'reviewer2', 'admin', 'admin2', 'auditor'];

/** A bearer token is renewed when it has less than this left. */
const renewBeforeMs = 60_000;

/** What a command runs with: addresses and proof of who calls, from the environment or the installation's `.writ/env`. */
export class Session {
  readonly env: Record<string, string | undefined>;
  private machine: SignIn | undefined;

  constructor(env: NodeJS.ProcessEnv, folder: string, private readonly as?: Part) {
    this.env = { ...readEnvFile(folder), ...env };
    // What the environment itself names, Node has read by itself.
    if (!env.NODE_EXTRA_CA_CERTS && this.env.NODE_EXTRA_CA_CERTS) trust(this.env.NODE_EXTRA_CA_CERTS);
  }

  variable(name: string): string {
    const value = this.env[name];
    if (!value) throw new Ended(exitCodes.usage, `${name} is not set.`, 'Run where npm start has written .writ/env, or set the variable.');
    return value;
  }

  /** A variable that holds an address. */
  address(name: string): string {
    const value = this.variable(name);
    if (!/^https?:/.test(value) || !URL.canParse(value)) throw new Ended(exitCodes.usage, `${name} is not an address: ${value}.`, 'It is one such as https://writ.example.org.');
    return value;
  }

  optional(name: string): string | undefined {
    return this.env[name];
  }

  /** The platform, called as the person who signed in, as `--as` says, or as the part this command is for. */
  writ(part: Part): Writ {
    return writAs(this.urls(), async () => {
      await this.renew();
      return `Bearer ${this.bearer(part)}`;
    });
  }

  /** The platform, called as a gateway. */
  gateway(authorization: string): Writ {
    return writAs(this.urls(), authorization);
  }

  urls(): ServiceUrls {
    return Object.fromEntries(serviceNames.map((name) => [name, this.address(`WRIT_${name.toUpperCase()}_URL`)])) as ServiceUrls;
  }

  /** The bearer token that a command for this part sends. */
  bearer(part: Part): string {
    return this.proof(part).token;
  }

  /** The same, with where it comes from. */
  proof(part: Part): { token: string; from: string } {
    const signIn = savedSignIn(this.env);
    const candidates: [string | undefined, string][] = this.as ? [[this.env[`WRIT_${this.as.toUpperCase()}_TOKEN`], `--as ${this.as}`]] : [
      [this.env.WRIT_TOKEN, 'WRIT_TOKEN'],
      [this.machine?.accessToken, 'WRIT_CLIENT_ID'],
      [signIn && signIn.expiresAt > Date.now() ? signIn.accessToken : undefined, 'writ login'],
      [this.env[`WRIT_${part.toUpperCase()}_TOKEN`], `the development installation, as ${part}`],
    ];
    for (const [token, from] of candidates) if (token) return { token, from };
    throw new Ended(exitCodes.notAuthenticated, 'You are not signed in.', 'Run writ login, or set WRIT_TOKEN; a machine sets WRIT_CLIENT_ID and WRIT_CLIENT_KEY_FILE or WRIT_CLIENT_SECRET.');
  }

  /** Renews what is about to run out; before every call, as a command may run for days. */
  async renew(): Promise<void> {
    if (this.as || this.env.WRIT_TOKEN) return;
    const { WRIT_CLIENT_ID: id, WRIT_CLIENT_SECRET: secret, WRIT_CLIENT_KEY_FILE: keyFile } = this.env;
    const isFresh = (signIn: SignIn | undefined) => signIn !== undefined && signIn.expiresAt - renewBeforeMs > Date.now();
    const proof = keyFile ? { keyFile } : secret ? { secret } : undefined;
    if (id && proof) {
      if (!isFresh(this.machine)) this.machine = await signInAsMachine(this.address('WRIT_OIDC_ISSUER'), id, proof);
      return;
    }
    const saved = savedSignIn(this.env);
    if (saved?.refreshToken && !isFresh(saved)) saveSignIn(await refreshed(saved), this.env);
  }
}

/** From here on this process also trusts the authority whose certificate lies in the file. */
function trust(file: string): void {
  if (!existsSync(file)) throw new Ended(exitCodes.usage, `${file}, which NODE_EXTRA_CA_CERTS of the installation names, is not there.`, 'Start the installation again, or name another file.');
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(file, 'utf8')]);
}

/** The nearest `.writ/env` from here upwards. */
function readEnvFile(folder: string): Record<string, string> {
  for (let here = folder; ; here = dirname(here)) {
    const file = join(here, '.writ', 'env');
    if (existsSync(file)) {
      return Object.fromEntries(readFileSync(file, 'utf8').split('\n').filter((line) => line.includes('=')).map((line) => {
        const at = line.indexOf('=');
        return [line.slice(0, at), line.slice(at + 1)];
      }));
    }
    if (dirname(here) === here) return {};
  }
}
