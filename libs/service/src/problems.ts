import { randomUUID } from 'node:crypto';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter, type PipeTransform } from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';
import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { validateBody, type FieldProblem } from '@writ/contracts';
import { isUnavailable } from '@writ/messaging';

export interface ProblemFacts {
  status: number;
  /** Stable, in kebab-case; docs/errors.md has an entry for each. */
  code: string;
  /** What is wrong, for whoever called. Never holds a secret. */
  detail: string;
  /** What to do about it. */
  remedy?: string;
  errors?: FieldProblem[];
  headers?: Record<string, string>;
}

/** A caller's mistake, answered as an RFC 9457 problem document. */
export class Problem extends Error {
  constructor(readonly facts: ProblemFacts) {
    super(facts.detail);
    this.name = 'Problem';
  }
}

/** What a problem document says (RFC 9457), for every door. */
export function problemDocument({ status, code, detail, remedy, errors }: ProblemFacts): object {
  return { type: `urn:writ:problem:${code}`, title: titleOf(code), status, code, detail, remedy, errors };
}

export const notFound = (what: string) =>
  new Problem({ status: 404, code: 'not-found', detail: `There is no such ${what} for you.`, remedy: 'Check the id, and that you may see it.' });
export const conflict = (code: string, detail: string, remedy?: string) => new Problem({ status: 409, code, detail, remedy });
export const forbidden = (detail: string, remedy?: string) => new Problem({ status: 403, code: 'forbidden', detail, remedy });
export const invalid = (errors: FieldProblem[]) =>
  new Problem({ status: 400, code: 'invalid-body', detail: errors[0]?.message ?? 'The body is not valid.', remedy: 'Correct the fields under "errors" and send again.', errors });
export const later = (detail: string, seconds = 1) =>
  new Problem({ status: 503, code: 'later', detail, remedy: `Try again in ${seconds} s.`, headers: { 'retry-after': String(seconds) } });
export const rateLimited = (detail: string, waitMs: number) => {
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  return new Problem({ status: 429, code: 'rate-limited', detail, remedy: `Try again in ${seconds} s.`, headers: { 'retry-after': String(seconds) } });
};

/** Checks a body against a class of contracts; use as `@Body(bodyOf(Submission))`. */
export function bodyOf<T extends object>(type: ClassConstructor<T>): PipeTransform<unknown, T> {
  return {
    transform(body) {
      const checked = validateBody(type, body ?? {});
      if ('problems' in checked) throw invalid(checked.problems);
      return checked.value;
    },
  };
}

const codesByStatus: Record<number, string> = {
  400: 'malformed-request', 401: 'not-authenticated', 403: 'forbidden', 404: 'not-found', 405: 'method-not-allowed', 408: 'too-slow', 409: 'conflict',
  413: 'too-large', 414: 'too-large', 415: 'unsupported-media-type', 429: 'rate-limited', 431: 'too-large', 503: 'later',
};

/** Turns whatever a route threw into a problem document; what nobody expected is logged and says nothing of itself. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Logger) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const facts = this.factsOf(error);
    void reply.status(facts.status).headers({ 'content-type': 'application/problem+json', 'cache-control': 'no-store', ...facts.headers }).send(JSON.stringify(problemDocument(facts)));
  }

  private factsOf(error: unknown): ProblemFacts {
    if (error instanceof Problem) return error.facts;
    const status = error instanceof HttpException ? error.getStatus() : (error as { statusCode?: unknown } | null)?.statusCode;
    if (typeof status === 'number' && status >= 400 && status < 500) {
      return { status, code: codesByStatus[status] ?? 'malformed-request', detail: detailOf(status, error) };
    }
    if (isUnavailable(error)) {
      this.log.warn({ err: error }, 'the database does not answer, or has no connection to spare');
      return later('The database cannot take this just now.').facts;
    }
    const incident = randomUUID();
    this.log.error({ err: error, incident }, 'a route failed');
    return { status: 500, code: 'internal-error', detail: `Something went wrong here; the log has it as ${incident}.`, remedy: 'Try again; if it stays, give that number to the operator.' };
  }
}

/** The parser's own messages quote what was sent, so they are replaced. */
function detailOf(status: number, error: unknown): string {
  if (status === 404) return 'There is no such route.';
  if (status === 413) return 'The body is too large.';
  if (status === 415) return 'The body’s media type is not accepted here.';
  if (status === 400) return 'The request cannot be read: is the body valid JSON?';
  return error instanceof Error ? error.message : 'The request was refused.';
}

function titleOf(code: string): string {
  const words = code.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
