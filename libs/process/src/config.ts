import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { plainToInstance, Transform, Type, type ClassConstructor } from 'class-transformer';
import { getMetadataStorage, IsArray, IsIn, IsInt, IsOptional, IsString, IsUrl, Matches, Max, Min, ValidateBy, validateSync, type ValidationArguments } from 'class-validator';
import { isThisMachine } from '@writ/contracts';

/** Reads a JSON variable; what is no JSON stays text, and fails the field's own rule. */
export function FromJson(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) => {
    if (typeof value !== 'string') return value;
    try {
      return JSON.parse(value) as unknown;
    } catch {
      return value;
    }
  });
}

/** An address with one of the given schemes; hosts without dots are fine, as containers have them. */
export function IsAddress(...protocols: string[]): PropertyDecorator {
  return IsUrl({ protocols, require_protocol: true, require_tld: false, require_valid_protocol: true });
}

/** An address as {@link IsAddress} takes it, where secrets go: encrypted, on this machine, or at a host in `WRIT_PLAIN_HOSTS`. */
export function IsSecretsAddress(...protocols: string[]): PropertyDecorator {
  const isSheltered = (value: unknown, args?: ValidationArguments) => {
    if (typeof value !== 'string' || !URL.canParse(value)) return true; // Said by the other rule.
    const hosts = (args?.object as Partial<CommandConfig> | undefined)?.plainHosts;
    return isEncrypted(new URL(value)) || isThisMachine(new URL(value).hostname) || (Array.isArray(hosts) && hosts.includes(new URL(value).hostname));
  };
  const defaultMessage = () => '$property would send secrets in plain text to another machine: encrypt it (https, amqps, rediss, sslmode=verify-full), or name its host in WRIT_PLAIN_HOSTS where you trust the network in between';
  const rules = [IsAddress(...protocols), ValidateBy({ name: 'isSheltered', validator: { validate: isSheltered, defaultMessage } })];
  return (target, property) => { for (const rule of rules) rule(target, property); };
}

function isEncrypted({ protocol, searchParams }: URL): boolean {
  if (protocol.startsWith('postgres')) return ['require', 'verify-ca', 'verify-full'].includes(searchParams.get('sslmode') ?? '');
  return ['https:', 'amqps:', 'rediss:'].includes(protocol);
}

/** Reads a list with commas. */
function FromList(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.split(',').map((text) => text.trim()).filter(Boolean) : value));
}

/** What is told to whatever opens connections, also to an operator's commands that only work for a while. */
export class CommandConfig {
  /** Hosts, separated by commas, that secrets may be sent to in plain text: their network is trusted, or encrypts by itself. */
  @IsArray() @FromList() plainHosts: string[] = [];
}

/** What every process is told by its environment. The variable of `httpPort` is `WRIT_HTTP_PORT`, and so on. */
export class ProcessConfig extends CommandConfig {
  @IsString() httpHost: string = '127.0.0.1';
  @IsInt() @Min(0) @Max(65_535) @Type(() => Number) httpPort!: number;
  /** Certificate chain and key in PEM; with both the process answers over TLS alone. Best in files: `WRIT_TLS_CERT_FILE`, `WRIT_TLS_KEY_FILE`. */
  @IsOptional() @Matches(/^-----BEGIN CERTIFICATE-----/) tlsCert?: string;
  @IsOptional() @Matches(/^-----BEGIN [A-Z ]*PRIVATE KEY-----/) tlsKey?: string;
  /**
   * Proxies in front, by address or network, separated by commas: from them the caller's address is what `X-Forwarded-For`
   * says. Without any it is the one that connects.
   */
  @IsArray() @FromList() trustedProxies: string[] = [];
  /** So many calls a second from one address may fail to prove who sent them, and twenty seconds' worth of them at once. */
  @IsInt() @Min(1) @Type(() => Number) failuresPerSecond: number = 50;
  @IsIn(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']) logLevel: string = 'info';
}

/** The certificate and key to answer with, or nothing for plain text. One without the other is a mistake that must not end in plain text. */
export function tlsOf({ tlsCert: cert, tlsKey: key }: ProcessConfig): { cert: string; key: string; minVersion: 'TLSv1.2' } | undefined {
  if ((cert === undefined) !== (key === undefined)) throw new ConfigurationError(['WRIT_TLS_CERT and WRIT_TLS_KEY are needed together']);
  return cert === undefined || key === undefined ? undefined : { cert, key, minVersion: 'TLSv1.2' };
}

/** The environment lacks something or has it wrong; every problem at once. */
export class ConfigurationError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigurationError';
  }
}

/**
 * Reads a configuration from environment variables. `WRIT_X_FILE` may name a file that holds the value of `WRIT_X`.
 * @throws ConfigurationError that lists everything wrong, without the values
 */
export function readConfig<C extends object>(type: ClassConstructor<C>, env: NodeJS.ProcessEnv): C {
  const metadata = getMetadataStorage().getTargetValidationMetadatas(type, '', false, false);
  const fields = [...new Set(metadata.map((field) => field.propertyName))];
  const problems: string[] = [];
  const plain: Record<string, string> = {};
  for (const field of fields) {
    const value = valueOf(variableOf(field), env, problems);
    if (value !== undefined && value !== '') plain[field] = value;
  }
  const config = plainToInstance(type, plain, { exposeDefaultValues: true });
  for (const { property, constraints } of validateSync(config)) {
    const variable = variableOf(property);
    const missing = plain[property] === undefined;
    const rules = Object.values(constraints ?? {}).map((text) => text.replace(property, '').trim());
    problems.push(missing ? `${variable} is not set; it ${rules[0] ?? 'is needed'}` : `${variable} ${rules.join(', ')}`);
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return config;
}

export function variableOf(field: string): string {
  return `WRIT_${field.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

function valueOf(variable: string, env: NodeJS.ProcessEnv, problems: string[]): string | undefined {
  const file = env[`${variable}_FILE`];
  if (env[variable] !== undefined || file === undefined) return env[variable];
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    problems.push(`${variable}_FILE names a file that cannot be read (${(error as NodeJS.ErrnoException).code})`);
    return undefined;
  }
}
