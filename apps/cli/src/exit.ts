import { CommanderError } from 'commander';
import { ProblemError, UnreachableError } from '@writ/client';
import { TlogError } from '@writ/tlog';
import { harmless } from './columns.js';

/** What the command line's exit codes mean; scripts rely on them. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, denied: 3, notAuthenticated: 4, notFound: 5, conflict: 6, timedOut: 7, tryAgain: 8 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Ends the command with a sentence for people and a code for scripts. */
export class Ended extends Error {
  constructor(readonly exitCode: ExitCode, message: string, readonly remedy?: string) {
    super(message);
    this.name = 'Ended';
  }
}

const byStatus: Record<number, ExitCode> = {
  400: exitCodes.usage, 401: exitCodes.notAuthenticated, 403: exitCodes.denied, 404: exitCodes.notFound, 409: exitCodes.conflict, 422: exitCodes.usage, 429: exitCodes.tryAgain, 503: exitCodes.tryAgain,
};

const byTlogCode: Partial<Record<TlogError['code'], ExitCode>> = {
  'source-unreachable': exitCodes.tryAgain, 'source-missing': exitCodes.notFound, 'policy-malformed': exitCodes.usage, 'key-malformed': exitCodes.usage,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof Ended) return error.exitCode;
  if (error instanceof ProblemError) return byStatus[error.status] ?? exitCodes.failed;
  if (error instanceof UnreachableError) return exitCodes.tryAgain;
  if (error instanceof TlogError) return byTlogCode[error.code] ?? exitCodes.failed;
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  return exitCodes.failed;
}

/** The lines that say what went wrong and what to do about it. */
export function explain(error: unknown): string[] {
  return linesOf(error).map(harmless);
}

const remedies: Partial<Record<TlogError['code'], string>> = {
  'source-unreachable': 'Is the audit service running, and is the address right?',
  'source-missing': 'Is this the folder or address of a log? It has a file named checkpoint.',
  'policy-malformed': 'Check --vkey, --policy or WRIT_LOG_VKEY: a key is name+id+base64.',
  'key-malformed': 'Check --vkey, --policy or WRIT_LOG_VKEY: a key is name+id+base64.',
};

function linesOf(error: unknown): string[] {
  if (error instanceof ProblemError) {
    const fields = error.errors.filter(({ pointer }) => pointer !== '').map(({ pointer, message }) => `  ${pointer.slice(1).replaceAll('/', '.')}: ${message}`);
    return [`${error.detail} (${error.code})`, ...fields, ...(error.remedy ? [error.remedy] : [])];
  }
  if (error instanceof UnreachableError) return [error.message, 'Is the platform running? npm start -- --detach starts it here.'];
  if (error instanceof TlogError) return [`${error.message} (${error.code})`, ...(remedies[error.code] ? [remedies[error.code]!] : [])];
  if (error instanceof Ended) return [error.message, ...(error.remedy ? [error.remedy] : [])];
  return [error instanceof Error ? error.message : String(error)];
}
