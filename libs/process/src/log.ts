import { pino, stdSerializers, type Logger } from 'pino';
import { redactSecrets } from '@writ/token';

const secretFields = ['authorization', 'cookie', 'password', 'secret', 'token', 'headers'];

/**
 * Makes a process's log: JSON lines, or readable ones on a terminal. Secrets cannot get through: headers and bodies
 * are never logged, errors lose what a database driver attaches to them, and every line is searched for secrets.
 */
export function createLog(service: string, level: string): Logger {
  return pino({
    name: service,
    level,
    base: { service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: errorFacts },
    redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`]), censor: '[secret]' },
    hooks: { streamWrite: (line) => withoutSecrets(line) },
    ...(process.stdout.isTTY ? { transport: { target: 'pino-pretty', options: { ignore: 'pid,hostname,service,name', translateTime: 'HH:MM:ss.l' } } } : {}),
  });
}

/** Removes tokens and the passwords of URLs from a text; a password may hold an @ that nobody encoded. */
export function withoutSecrets(text: string): string {
  return redactSecrets(text).replaceAll(/(\w+:\/\/[^:@/\s"]*):[^/\s"]+@/g, '$1:[secret]@');
}

/**
 * Ends the process at an error that nobody caught, as Node would, but says no more of it than the log does: Node prints
 * every field of an error, and a database driver's have the statement's parameters.
 */
export function crashWithoutSecrets(service: string): void {
  process.on('uncaughtException', (error) => {
    const line = { level: 'fatal', time: new Date().toISOString(), service, err: errorFacts(error), msg: 'nobody caught this error; the process ends' };
    process.stderr.write(withoutSecrets(`${JSON.stringify(line)}\n`), () => process.exit(1));
  });
}

/** A driver's error carries the failed statement's parameters and the offending row; neither belongs in a log. */
function errorFacts(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { type, message, stack } = stdSerializers.err(error);
  const { code, cause } = error as Error & { code?: unknown };
  return { type, message, stack, ...(code === undefined ? {} : { code }), ...(cause === undefined ? {} : { cause: errorFacts(cause) }) };
}
