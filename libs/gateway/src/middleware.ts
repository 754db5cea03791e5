import type { VerifyAnswer } from './answers.js';
import type { Gateway, VerifyOptions } from './gateway.js';

type HeadersDistinct = Readonly<Record<string, readonly string[] | undefined>>;

/** Request headers as Node, Express, Fastify and Nest have them: lower-case names. */
export interface RequestLike {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Every value of every header, as Node has them: `headers` keeps but the first `Authorization`. */
  readonly headersDistinct?: HeadersDistinct;
  /** Fastify's and Nest's way to Node's own request. */
  readonly raw?: { readonly headersDistinct?: HeadersDistinct };
  readonly ip?: string;
  readonly socket?: { readonly remoteAddress?: string };
  /** Set by the middleware: who calls. */
  writ?: VerifyAnswer;
}

export interface NodeResponseLike {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

export interface FastifyReplyLike {
  code(status: number): FastifyReplyLike;
  header(name: string, value: string): FastifyReplyLike;
  send(body: string): unknown;
}

export interface NestContextLike {
  switchToHttp(): { getRequest<T>(): T; getResponse<T>(): T };
}

export interface MiddlewareOptions extends Pick<VerifyOptions, 'scopes' | 'audience'> {
  /** Take the token from this header instead of `Authorization: Bearer`. */
  readonly header?: string;
  /** The end client's address. Default: `request.ip`, else the socket's; set it where a proxy stands in front. */
  readonly addressOf?: (request: RequestLike) => string | undefined;
}

/** What the end client is told. One answer for every bad token: which kind of bad it was is nobody's business. */
export interface Refusal {
  readonly status: 401 | 403 | 429 | 503;
  readonly headers: Readonly<Record<string, string>>;
  /** RFC 9457. */
  readonly problem: { readonly type: string; readonly title: string; readonly status: number; readonly code: string };
}

const problems = { 401: 'unauthorized', 403: 'insufficient-scope', 429: 'rate-limited', 503: 'unavailable' } as const;
const titles = { 401: 'Unauthorized', 403: 'Forbidden', 429: 'Too Many Requests', 503: 'Service Unavailable' } as const;
const challenges = { 401: 'Bearer', 403: 'Bearer error="insufficient_scope"' } as const;

/**
 * Turns an answer that is not VALID into what the end client sees (RFC 6750, RFC 9457). A limit is a 429
 * and an unreachable issuer a 503, never a 401: the client's token may be good.
 */
export function refusalFor(answer: Pick<VerifyAnswer, 'code' | 'retryAfterMs'>): Refusal {
  const status = statusOf(answer.code);
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  if (status === 401 || status === 403) headers['www-authenticate'] = challenges[status];
  else headers['retry-after'] = String(Math.max(1, Math.ceil((answer.retryAfterMs ?? 1000) / 1000)));
  return { status, headers, problem: { type: 'about:blank', title: titles[status], status, code: problems[status] } };
}

function statusOf(code: string): Refusal['status'] {
  if (code === 'INSUFFICIENT_SCOPE') return 403;
  if (code === 'RATE_LIMITED') return 429;
  if (code === 'UNAVAILABLE' || code === 'STALE') return 503;
  return 401;
}

/** The one token of a request, or '' when there is none or more than one: guessing between two is how smuggling works. */
export function tokenOf(request: RequestLike, header?: string): string {
  const name = header?.toLowerCase() ?? 'authorization';
  const value = request.headers[name];
  const sent = (request.headersDistinct ?? request.raw?.headersDistinct)?.[name];
  if (typeof value !== 'string' || (sent && sent.length !== 1)) return '';
  if (header !== undefined) return value;
  return /^Bearer +([^\s,]+) *$/i.exec(value)?.[1] ?? '';
}

async function judge(gateway: Pick<Gateway, 'verify'>, options: MiddlewareOptions, request: RequestLike): Promise<Refusal | undefined> {
  const agent = request.headers['user-agent'];
  const address = options.addressOf ? options.addressOf(request) : request.ip ?? request.socket?.remoteAddress;
  const wanted: VerifyOptions = { scopes: options.scopes, audience: options.audience, address, agent: typeof agent === 'string' ? agent : undefined };
  const answer = await gateway.verify(tokenOf(request, options.header), wanted);
  if (!answer.valid) return refusalFor(answer);
  request.writ = answer;
  return undefined;
}

/** Middleware for Express, and for every server with Node's request and response. Sets `request.writ`. */
export function expressMiddleware(gateway: Pick<Gateway, 'verify'>, options: MiddlewareOptions = {}) {
  return (request: RequestLike, response: NodeResponseLike, next: (error?: unknown) => void): void => {
    judge(gateway, options, request).then((refusal) => {
      if (!refusal) return next();
      response.statusCode = refusal.status;
      for (const [name, value] of Object.entries(refusal.headers)) response.setHeader(name, value);
      response.end(JSON.stringify(refusal.problem));
    }).catch(next);
  };
}

/** An `onRequest` or `preHandler` hook for Fastify. Sets `request.writ`. */
export function fastifyHook(gateway: Pick<Gateway, 'verify'>, options: MiddlewareOptions = {}) {
  return async (request: RequestLike, reply: FastifyReplyLike): Promise<unknown> => {
    const refusal = await judge(gateway, options, request);
    if (!refusal) return undefined;
    reply.code(refusal.status);
    for (const [name, value] of Object.entries(refusal.headers)) reply.header(name, value);
    reply.send(JSON.stringify(refusal.problem));
    return reply;
  };
}

/** Thrown by the Nest guard unless it was given Nest's own exception. Nest answers with its status. */
export class RefusedError extends Error {
  readonly statusCode: number;
  readonly status: number;
  readonly expose = true;

  constructor({ title, status }: Refusal['problem']) {
    super(title);
    this.statusCode = this.status = status;
  }
}

export interface NestGuardOptions extends MiddlewareOptions {
  /** Pass Nest's `HttpException`: the end client then sees the problem document, and no refusal is logged as an error. */
  readonly exception?: new (problem: Record<string, unknown>, status: number) => Error;
}

/** A guard for Nest, for `@UseGuards(nestGuard(gateway, { scopes: ['orders:read'], exception: HttpException }))`, on Fastify and on Express. Sets `request.writ`. */
export function nestGuard(gateway: Pick<Gateway, 'verify'>, options: NestGuardOptions = {}) {
  return {
    async canActivate(context: NestContextLike): Promise<boolean> {
      const http = context.switchToHttp();
      const refusal = await judge(gateway, options, http.getRequest<RequestLike>());
      if (!refusal) return true;
      const { problem, status, headers } = refusal;
      const response = http.getResponse<Partial<NodeResponseLike & FastifyReplyLike>>();
      for (const [name, value] of Object.entries(headers)) {
        // Nest's body decides its type.
        if (name === 'content-type') continue;
        if (response.header) response.header(name, value);
        else response.setHeader?.(name, value);
      }
      throw options.exception ? new options.exception({ ...problem }, status) : new RefusedError(problem);
    },
  };
}
