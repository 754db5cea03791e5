import { readFileSync, statSync } from 'node:fs';
import { isKeyName, type SignerKey } from '@writ/tlog';
import { readKey } from './key.store.js';

export interface SignerConfig {
  host: string;
  port: number;
  origin: string;
  key: SignerKey;
  stateDir: string;
  /** What the publisher and this process prove themselves to each other by. */
  secret: string;
  logLevel: string;
  /** Certificate chain and key in PEM; with them everything is answered over TLS. */
  tls: { cert: string; key: string } | undefined;
}

export interface InitConfig {
  origin: string;
  keyFile: string;
  stateDir: string;
}

/** Everything that is wrong with the environment, for the operator to mend in one go. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`the configuration has ${problems.length} error(s):\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

const minSecretLength = 32;
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/** Reads and checks all configuration of the service, files included. Throws ConfigError. */
export function readConfig(env: NodeJS.ProcessEnv): SignerConfig {
  const reader = new EnvReader(env);
  const origin = reader.origin();
  const keyFile = reader.required('WRIT_SIGNER_KEY_FILE');
  const secretFile = reader.required('WRIT_SIGNER_SECRET_FILE');
  const config = {
    host: reader.optional('WRIT_SIGNER_HOST', '127.0.0.1'),
    port: Number(reader.optional('WRIT_SIGNER_PORT', '4007', (text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? undefined : 'is not a port')),
    origin,
    key: reader.file('WRIT_SIGNER_KEY_FILE', () => (keyFile && origin ? readKey(keyFile, origin) : undefined)),
    stateDir: reader.required('WRIT_SIGNER_STATE_DIR'),
    secret: reader.file('WRIT_SIGNER_SECRET_FILE', () => (secretFile ? readSecret(secretFile) : undefined)),
    logLevel: reader.optional('WRIT_LOG_LEVEL', 'info', (text) => logLevels.includes(text) ? undefined : `is none of ${logLevels.join(', ')}`),
    tls: reader.tls(),
  };
  reader.finish();
  return config as SignerConfig;
}

/** Reads what `init` needs. Throws ConfigError. */
export function readInitConfig(env: NodeJS.ProcessEnv): InitConfig {
  const reader = new EnvReader(env);
  const config = {
    origin: reader.origin(),
    keyFile: reader.required('WRIT_SIGNER_KEY_FILE'),
    stateDir: reader.required('WRIT_SIGNER_STATE_DIR'),
  };
  reader.finish();
  return config;
}

class EnvReader {
  readonly #problems: string[] = [];

  constructor(private readonly env: NodeJS.ProcessEnv) {}

  required(name: string): string {
    const value = this.env[name] ?? '';
    if (!value) this.#problems.push(`${name} is not set`);
    return value;
  }

  optional(name: string, fallback: string, problemOf: (text: string) => string | undefined = () => undefined): string {
    const value = this.env[name] || fallback;
    const problem = problemOf(value);
    if (problem) this.#problems.push(`${name} ${problem}`);
    return value;
  }

  origin(): string {
    const origin = this.required('WRIT_LOG_ORIGIN');
    if (origin && !isKeyName(origin)) this.#problems.push('WRIT_LOG_ORIGIN has spaces, plus signs or control characters');
    return origin;
  }

  /** Keeps the reason a file was refused. The reasons of `readKey` and of the file system never quote its content. */
  file<T>(name: string, read: () => T | undefined): T | undefined {
    try {
      return read();
    } catch (error) {
      this.#problems.push(`${name}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** One without the other is a mistake that must not end in plain text. */
  tls(): SignerConfig['tls'] {
    const { WRIT_TLS_CERT_FILE: certFile, WRIT_TLS_KEY_FILE: keyFile } = this.env;
    if (!certFile && !keyFile) return undefined;
    if (!certFile || !keyFile) this.#problems.push('WRIT_TLS_CERT_FILE and WRIT_TLS_KEY_FILE are needed together');
    const cert = this.file('WRIT_TLS_CERT_FILE', () => certFile && readFileSync(certFile, 'utf8'));
    const key = this.file('WRIT_TLS_KEY_FILE', () => keyFile && readFileSync(keyFile, 'utf8'));
    return cert && key ? { cert, key } : undefined;
  }

  finish(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
  }
}

function readSecret(file: string): string {
  if ((statSync(file).mode & 0o007) !== 0) throw new Error('the secret file must not be open to others: chmod 600');
  const secret = readFileSync(file, 'utf8').trim();
  if (secret.length < minSecretLength) throw new Error(`the secret has fewer than ${minSecretLength} characters`);
  return secret;
}
