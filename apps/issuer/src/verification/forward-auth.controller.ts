import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Verification } from '@writ/contracts';
import { refusalFor } from '@writ/gateway';
import { FailingSources } from '@writ/service';
import { Gateways } from '../gateways/gateway.store.js';
import { digestOf } from './question.js';
import { Verifier } from '../fleet/verifier.store.js';
import { notAuthenticated } from './verify.controller.js';
import { operations } from './verify.operations.js';

interface Needed {
  scope?: string;
  audience?: string;
  /** `429`: the status for a token above its rate, where the proxy bears it; 403 where nothing is said. */
  limited?: string;
}

const credentials = 'x-writ-gateway-authorization';
/** Envoy asks with the method of the request that it holds up. */
const anyMethod = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/**
 * Verifies a request that a proxy holds up: 2xx with who calls in headers, or else what the SDK's middleware would say to
 * the end client. The client's own `Authorization` is what is verified; the proxy proves itself by a header of its own.
 */
@Injectable()
export class ForwardAuth implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost, private readonly gateways: Gateways, private readonly verifier: Verifier, private readonly failing: FailingSources,
  ) {}

  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    fastify.get('/v1/forward-auth', { config: { operation: operations['/v1/forward-auth'] } }, (request, reply) => {
      const { scope, audience, limited } = request.query as Record<string, string | string[] | undefined>;
      return this.answer(request, reply, { scope: [scope ?? []].flat().join(' '), audience: [audience ?? []].flat()[0], limited: [limited ?? []].flat()[0] }, 204);
    });
    // Envoy lets pass on 200 alone, appends the held-up request's path, and can only add headers. Answered before any body is read.
    const onRequest = (request: FastifyRequest, reply: FastifyReply) => {
      const { 'x-writ-scope': scope, 'x-writ-audience': audience } = request.headers as Record<string, string | undefined>;
      return this.answer(request, reply, { scope, audience, limited: '429' }, 200);
    };
    fastify.route({ method: anyMethod, url: '/v1/ext-authz/*', config: { operation: operations['/v1/ext-authz/*'] }, onRequest, handler: () => undefined });
  }

  private async answer(request: FastifyRequest, reply: FastifyReply, { scope = '', audience, limited }: Needed, allowed: 200 | 204): Promise<unknown> {
    reply.header('cache-control', 'no-store');
    const sent = request.headers[credentials];
    const gateway = await this.gateways.ofHeader(typeof sent === 'string' ? sent : undefined);
    if (!gateway) {
      const retryAfterMs = this.failing.failed(request.ip);
      return retryAfterMs > 0 ? refuse(reply, { code: 'RATE_LIMITED', retryAfterMs }, limited) : notAuthenticated(request, reply);
    }
    // Node keeps the first of two and says nothing; who stands behind the proxy may read the last.
    const { authorization = [] } = request.raw.headersDistinct;
    const bearer = authorization.length === 1 ? /^bearer +(\S+)$/i.exec(authorization[0] as string)?.[1] : undefined;
    const answer = await this.verifier.answer({
      digest: bearer === undefined ? undefined : digestOf(bearer), scopes: scope.split(' ').filter((one) => one !== ''), audience, address: callerOf(request), agent: request.headers['user-agent'],
    }, gateway, 'use');
    if (answer.valid) return reply.status(allowed).headers({ ...identityHeaders(answer), ...freshnessHeaders(answer) }).send();
    return refuse(reply, answer, limited);
  }
}

/** nginx knows 401 and 403 alone, and would make an error of ours out of a 429: the header tells its snippet. Others ask for the 429. */
function refuse(reply: FastifyReply, answer: Pick<Verification, 'code' | 'retryAfterMs'>, limited: string | undefined): FastifyReply {
  const refusal = refusalFor(answer);
  const status = refusal.status === 429 && limited !== '429' ? 403 : refusal.status;
  if (answer.code === 'INSUFFICIENT_SCOPE' || answer.code === 'RATE_LIMITED') reply.header('x-writ-code', answer.code);
  return reply.status(status).headers(refusal.headers).send(JSON.stringify({ ...refusal.problem, status }));
}

/** The last address is the one that the proxy in front of us saw; those before it are whatever its client claimed. */
function callerOf(request: FastifyRequest): string | undefined {
  return [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1)?.trim() || undefined;
}

/** For the proxy: a refusal goes on to the end client, whom our log does not concern. */
function freshnessHeaders({ asOf, seq, maxStalenessMs }: Verification): Record<string, string> {
  return { 'x-writ-as-of': asOf, 'x-writ-seq': String(seq), 'x-writ-max-staleness-ms': String(maxStalenessMs) };
}

function identityHeaders({ tokenId = '', owner = '', scopes = [], audience = '', environment = '', expiresAt = '' }: Verification): Record<string, string> {
  return {
    'x-writ-token-id': tokenId, 'x-writ-owner': owner, 'x-writ-scopes': scopes.join(' '), 'x-writ-audience': audience,
    'x-writ-environment': environment, 'x-writ-expires-at': expiresAt,
  };
}
