import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { serviceNames, writAs, type ServiceUrls, type Writ } from '@writ/client';
import { Ended, exitCodes } from './exit.js';

/** Whose token a command uses when nobody says otherwise, in a development installation. */
export type Part = 'requester' | 'reviewer' | 'reviewer2' | 'admin' | 'admin2' | 'auditor';
export const parts: readonly Part[] = ['requester', 'reviewer', 'reviewer2', 'admin', 'admin2', 'auditor'];

/** Where the command line keeps its own things: sign-ins, remembered checkpoints. */
export function stateFile(name: string, env = process.env): string {
  return join(env.XDG_STATE_HOME ?? join(env.HOME ?? homedir(), '.local', 'state'), 'writ', name);
}

export function savePrivately(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, text, { mode: 0o600 });
}

interface SavedToken { accessToken: string; expiresAt: number; issuer: string }

/** What a command runs with: addresses and proof of who calls, from the environment or the installation's `.writ/env`. */
export class Session {
  private readonly env: Record<string, string | undefined>;

  constructor(env: NodeJS.ProcessEnv, folder: string, private readonly as?: Part) {
    this.env = { ...readEnvFile(folder), ...env };
  }

  variable(name: string): string {
    const value = this.env[name];
    if (!value) throw new Ended(exitCodes.usage, `${name} is not set.`, 'Run where npm start has written .writ/env, or set the variable.');
    return value;
  }

  optional(name: string): string | undefined {
    return this.env[name];
  }

  /** The platform, called as the person who signed in, as `--as` says, or as the part this command is for. */
  writ(part: Part): Writ {
    return writAs(this.urls(), `Bearer ${this.bearer(part)}`);
  }

  /** The platform, called as a gateway. */
  gateway(authorization: string): Writ {
    return writAs(this.urls(), authorization);
  }

  urls(): ServiceUrls {
    return Object.fromEntries(serviceNames.map((name) => [name, this.variable(`WRIT_${name.toUpperCase()}_URL`)])) as ServiceUrls;
  }

  /** The bearer token that a command for this part sends. */
  bearer(part: Part): string {
    const token = this.as ? this.env[`WRIT_${this.as.toUpperCase()}_TOKEN`] : (this.env.WRIT_TOKEN ?? savedToken(this.env) ?? this.env[`WRIT_${part.toUpperCase()}_TOKEN`]);
    if (!token) throw new Ended(exitCodes.notAuthenticated, 'You are not signed in.', 'Run writ login, or set WRIT_TOKEN.');
    return token;
  }
}

function savedToken(env: Record<string, string | undefined>): string | undefined {
  const file = stateFile('sign-in.json', env as NodeJS.ProcessEnv);
  if (!existsSync(file)) return undefined;
  const saved = JSON.parse(readFileSync(file, 'utf8')) as SavedToken;
  return saved.expiresAt > Date.now() && saved.issuer === env.WRIT_OIDC_ISSUER ? saved.accessToken : undefined;
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
