import { readFileSync } from 'node:fs';
import type { ConfiguredClient } from './clients.js';

export interface Config {
  host: string;
  port: number;
  issuer: string;
  audience: string;
  keysDir: string;
  clients: ConfiguredClient[];
  tokensFile: string | undefined;
  logLevel: string;
  /** Certificate chain and key in PEM; with them everything is answered over TLS. */
  tls: { cert: string; key: string } | undefined;
}

/** Reads the environment; throws one error that lists everything wrong with it. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const problems: string[] = [];
  const need = (name: string): string => {
    const value = env[name];
    if (!value) problems.push(`${name} is not set`);
    return value ?? '';
  };
  if (env.NODE_ENV === 'production') problems.push('NODE_ENV is production: this identity provider knows invented people without passwords. Name your own provider in WRIT_OIDC_ISSUER of the services');
  const port = Number(need('WRIT_HTTP_PORT'));
  if (!Number.isInteger(port) || port < 0 || port > 65_535) problems.push('WRIT_HTTP_PORT is not a port');
  const issuer = need('WRIT_OIDC_ISSUER');
  if (issuer && !URL.canParse(issuer)) problems.push('WRIT_OIDC_ISSUER is not a URL');
  const config = {
    host: env.WRIT_HTTP_HOST ?? '127.0.0.1',
    port,
    issuer,
    audience: need('WRIT_OIDC_AUDIENCE'),
    keysDir: need('WRIT_KEYS_DIR'),
    clients: env.WRIT_IDENTITY_CLIENTS_FILE ? readClients(env.WRIT_IDENTITY_CLIENTS_FILE, problems) : [],
    tokensFile: env.WRIT_IDENTITY_TOKENS_FILE,
    logLevel: env.WRIT_LOG_LEVEL ?? 'info',
    tls: readTls(env, problems),
  };
  if (problems.length > 0) throw new Error(`The identity provider cannot start:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  return config;
}

function readTls({ WRIT_TLS_CERT_FILE: certFile, WRIT_TLS_KEY_FILE: keyFile }: NodeJS.ProcessEnv, problems: string[]): Config['tls'] {
  if (!certFile && !keyFile) return undefined;
  if (!certFile || !keyFile) problems.push('WRIT_TLS_CERT_FILE and WRIT_TLS_KEY_FILE are needed together');
  else {
    try {
      return { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    } catch (error) {
      problems.push(`WRIT_TLS_CERT_FILE and WRIT_TLS_KEY_FILE: ${(error as Error).message}`);
    }
  }
  return undefined;
}

function readClients(file: string, problems: string[]): ConfiguredClient[] {
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (Array.isArray(parsed) && parsed.every(isClient)) return parsed;
    problems.push(`WRIT_IDENTITY_CLIENTS_FILE (${file}) is not a list of {clientId, clientSecret or jwks, redirectUris?}`);
  } catch (error) {
    problems.push(`WRIT_IDENTITY_CLIENTS_FILE: ${(error as Error).message}`);
  }
  return [];
}

const isClient = (value: unknown): value is ConfiguredClient =>
  typeof value === 'object' && value !== null && 'clientId' in value && typeof value.clientId === 'string'
  && (('clientSecret' in value && typeof value.clientSecret === 'string') || ('jwks' in value && typeof value.jwks === 'object'));
