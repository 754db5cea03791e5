import proxyAddr from '@fastify/proxy-addr';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { FailingSources, failureFrom, LOG, problemDocument, type ProblemFacts } from '@writ/service';
import { IssuerConfig } from '../config.js';
import { Gateways, type KnownGateway } from '../gateways/gateway.store.js';
import { introspectionOf } from './introspection.js';
import { digestOf, questionOf } from './question.js';
import { Verifier } from '../fleet/verifier.store.js';
import { operations } from './verify.operations.js';

const maxBodyBytes = 65_536;

interface Answer {
  status: number;
  body: object;
  headers?: Record<string, string>;
}
type Ask = (text: string, gateway: KnownGateway, request: IncomingMessage) => Answer | Promise<Answer>;

/**
 * Verification and introspection, taken off the server before any framework sees them: their cost is what every
 * request of every gateway pays. The same credentials, limits and answers as everywhere; all else goes on to Fastify.
 */
@Injectable()
export class HotDoor implements OnModuleInit {
  private readonly isTrusted: ReturnType<typeof proxyAddr.compile>;

  constructor(
    private readonly host: HttpAdapterHost, private readonly gateways: Gateways, private readonly verifier: Verifier, private readonly config: IssuerConfig,
    private readonly failing: FailingSources, @Inject(LOG) private readonly log: Logger,
  ) {
    this.isTrusted = proxyAddr.compile(config.trustedProxies);
  }

  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    const asks = new Map([['/v1/tokens/verify', this.verify], ['/oauth2/introspect', this.introspect]] as const);
    for (const [url, ask] of asks) {
      // Fastify knows the routes too: its document names them, and addresses that are spelt otherwise end here as well.
      const onRequest = async (request: FastifyRequest, reply: FastifyReply) => {
        reply.hijack();
        this.serve(request.raw, reply.raw, ask);
      };
      fastify.post(url, { config: { operation: operations[url] }, onRequest }, () => undefined);
    }
    const { server } = fastify;
    const others = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const ask = request.method === 'POST' ? (asks as ReadonlyMap<string | undefined, Ask>).get(request.url) : undefined;
      if (ask) this.serve(request, response, ask);
      else for (const other of others) other.call(server, request, response);
    });
  }

  private readonly verify: Ask = (text, gateway, request) => {
    if (!hasType(request, 'application/json')) return problem(415, 'unsupported-media-type', 'The body is application/json.');
    const question = questionOf(parsed(text));
    if ('pointer' in question) return problem(400, 'invalid-body', question.message, { errors: [question] });
    const answer = this.verifier.answer(question, gateway, 'use');
    return answer instanceof Promise ? answer.then((body) => ({ status: 200, body })) : { status: 200, body: answer };
  };

  private readonly introspect: Ask = async (text, gateway, request) => {
    const token = hasType(request, 'application/json') ? (parsed(text) as { token?: unknown } | undefined)?.token : onlyOne(new URLSearchParams(text));
    if (typeof token !== 'string' || token === '') return { status: 400, body: { error: 'invalid_request', error_description: 'The parameter token is missing, or is there twice.' } };
    const answer = await this.verifier.answer({ digest: digestOf(token) }, gateway, 'look');
    const headers = { 'x-writ-as-of': answer.asOf, 'x-writ-seq': String(answer.seq), 'x-writ-max-staleness-ms': String(answer.maxStalenessMs) };
    if (answer.code === 'RATE_LIMITED' || answer.code === 'STALE') {
      // Neither says that the token is not active: the one is for later, of the other nobody knows.
      const later = answer.code === 'STALE' ? problem(503, 'later', 'The issuer cannot tell just now.') : problem(429, 'rate-limited', 'This token is used too often.');
      return { ...later, headers: { ...headers, 'retry-after': String(Math.ceil((answer.retryAfterMs ?? 1_000) / 1_000)) } };
    }
    return { status: 200, body: introspectionOf(answer, this.config.publicUrl?.replace(/\/$/, '') ?? `${'encrypted' in request.socket ? 'https' : 'http'}://${request.headers.host ?? ''}`), headers };
  };

  private serve(request: IncomingMessage, response: ServerResponse, ask: Ask): void {
    let first: Buffer | undefined;
    let more: Buffer[] | undefined;
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBodyBytes) more = first = undefined; // Read to its end, and not kept: the answer needs the connection.
      else if (first) (more ??= []).push(chunk);
      else first = chunk;
    });
    request.on('end', () => {
      if (length > maxBodyBytes) return send(response, problem(413, 'too-large', 'The body is too large.'));
      const text = more ? Buffer.concat([first as Buffer, ...more]).toString() : (first?.toString() ?? '');
      const gateway = this.gateways.ofHeader(request.headers.authorization, request.socket);
      try {
        const answer = gateway instanceof Promise ? gateway.then((known) => this.answerTo(known, text, request, ask)) : this.answerTo(gateway, text, request, ask);
        if (answer instanceof Promise) answer.then((later) => send(response, later), (error: unknown) => this.fail(response, error));
        else send(response, answer);
      } catch (error) {
        this.fail(response, error);
      }
    });
  }

  private answerTo(gateway: KnownGateway | undefined, text: string, request: IncomingMessage, ask: Ask): Answer | Promise<Answer> {
    if (gateway) return ask(text, gateway, request);
    const tooMany = failureFrom(proxyAddr(request, this.isTrusted), this.failing)?.facts;
    if (tooMany) return { status: tooMany.status, body: problemDocument(tooMany), headers: tooMany.headers };
    const headers = { 'www-authenticate': 'Basic realm="writ"' };
    const detail = 'This route needs a gateway’s client credentials.';
    if (ask === this.introspect) return { status: 401, body: { error: 'invalid_client', error_description: detail }, headers };
    return { ...problem(401, 'not-authenticated', detail), headers };
  }

  private fail(response: ServerResponse, error: unknown): void {
    this.log.error({ err: error }, 'a verification failed');
    send(response, problem(503, 'later', 'The issuer cannot answer just now.'));
  }
}

function send(response: ServerResponse, { status, body, headers }: Answer): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': status >= 400 && 'code' in body ? 'application/problem+json' : 'application/json', 'cache-control': 'no-store', 'content-length': Buffer.byteLength(text), ...headers,
  });
  response.end(text);
}

function problem(status: number, code: string, detail: string, more: Partial<ProblemFacts> = {}): Answer {
  return { status, body: problemDocument({ status, code, detail, ...more }) };
}

function hasType(request: IncomingMessage, type: string): boolean {
  return request.headers['content-type']?.startsWith(type) ?? false;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A parameter that is there twice is an error (RFC 6749, section 3.1). */
function onlyOne(form: URLSearchParams): string | undefined {
  const tokens = form.getAll('token');
  return tokens.length === 1 ? tokens[0] : undefined;
}
