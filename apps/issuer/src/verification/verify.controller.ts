import { Injectable, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FieldProblem } from '@writ/contracts';
import { FailingSources, failureFrom, later, problemDocument, rateLimited, type ProblemFacts } from '@writ/service';
import { Gateways, type KnownGateway } from '../gateways/gateway.store.js';
import { Limits } from './limits.store.js';
import { digestOf, questionsOf } from './question.js';
import { operations } from './verify.operations.js';
import { RevokeByPossession } from '../incidents/possession.store.js';
import { Verifier } from '../fleet/verifier.store.js';
import { IssuerConfig } from '../config.js';

const wellKnown = '/.well-known/oauth-authorization-server';

type Handler = (request: FastifyRequest, reply: FastifyReply, gateway: KnownGateway) => unknown;

/**
 * What gateways ask in bulk or rarely, straight on Fastify: the same credentials and limits as
 * everywhere, without the layers that a route of Nest passes. Every answer is for authenticated gateways alone.
 */
@Injectable()
export class VerifyRoutes implements OnModuleInit {
  constructor(
    private readonly host: HttpAdapterHost, private readonly gateways: Gateways, private readonly verifier: Verifier,
    private readonly possession: RevokeByPossession, private readonly config: IssuerConfig, private readonly failing: FailingSources, private readonly limits: Limits,
  ) {}

  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    const post = (url: keyof typeof operations, handler: Handler) => fastify.post(url, { config: { operation: operations[url] } }, this.guarded(handler));
    post('/v1/tokens/verify-batch', (request, reply, gateway) => this.verifyBatch(request, reply, gateway));
    post('/oauth2/revoke', (request, reply, gateway) => this.revoke(request, reply, gateway));
    // RFC 8414, section 3.1: a path of the issuer's own comes after the well-known one, where no proxy strips it.
    for (const path of new Set(['', pathOf(this.config.publicUrl)])) {
      const operation = { ...operations[wellKnown], operationId: `Verify.metadata${path}` };
      fastify.get(wellKnown + path, { config: { operation } }, (request, reply) => reply.header('cache-control', 'max-age=300').send(this.metadata(request)));
    }
  }

  private guarded(handler: Handler) {
    return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      reply.header('cache-control', 'no-store');
      const found = this.gateways.ofHeader(request.headers.authorization);
      const gateway = found instanceof Promise ? await found : found;
      if (!gateway) {
        const tooMany = failureFrom(request.ip, this.failing)?.facts;
        return tooMany ? problem(reply, tooMany) : notAuthenticated(request, reply);
      }
      return handler(request, reply, gateway);
    };
  }

  private async verifyBatch(request: FastifyRequest, reply: FastifyReply, gateway: KnownGateway): Promise<unknown> {
    const questions = questionsOf(request.body);
    if ('pointer' in questions) return invalid(reply, questions);
    return this.verifier.answerAll(questions, gateway);
  }

  /**
   * RFC 7009: revocation by possession within the caller's audiences; 200 also for tokens that are none of its business,
   * and "later" of these where nobody knows, or for who tried too many. A token that may be revoked is, however many came before.
   */
  private async revoke(request: FastifyRequest, reply: FastifyReply, gateway: KnownGateway): Promise<unknown> {
    const token = tokenField(request.body);
    if (token === undefined) return oauthError(reply, 'The parameter token is missing, or is there twice.');
    const digest = digestOf(token);
    if (digest === undefined) return reply.status(200).send();
    const { tokens, seq, isDoubtful } = await this.verifier.read([{ digest }]);
    const known = tokens.get(digest);
    if (known && gateway.audiences.includes(known.audience)) {
      await this.possession.revoke(known, seq, { kind: 'gateway', principal: { iss: 'urn:writ:gateway', sub: gateway.clientId } }, 'revoked-by-gateway');
      return reply.status(200).send();
    }
    if (isDoubtful) return problem(reply, later('The issuer cannot tell just now whether there is such a token.').facts);
    const waitMs = this.limits.waitForUnknown(gateway.clientId, performance.now());
    if (waitMs > 0) return problem(reply, rateLimited('Too many tokens were to be revoked that are not known to be for you.', waitMs).facts);
    this.limits.unknownToken(gateway.clientId, performance.now());
    return reply.status(200).send();
  }

  /** RFC 8414. There is no authorization endpoint: tokens are requested, decided and claimed. */
  private metadata(request: FastifyRequest): object {
    const issuer = this.issuerOf(request);
    return {
      issuer,
      introspection_endpoint: `${issuer}/oauth2/introspect`,
      introspection_endpoint_auth_methods_supported: ['client_secret_basic'],
      revocation_endpoint: `${issuer}/oauth2/revoke`,
      revocation_endpoint_auth_methods_supported: ['client_secret_basic'],
      response_types_supported: [],
      grant_types_supported: [],
    };
  }

  private issuerOf(request: FastifyRequest): string {
    return this.config.publicUrl?.replace(/\/$/, '') ?? `${request.protocol}://${request.host}`;
  }
}

function pathOf(publicUrl: string | undefined): string {
  return publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/\/$/, '');
}

/** Present once, as a text: a repeated parameter is an error (RFC 6749, section 3.1). */
function tokenField(body: unknown): string | undefined {
  const token = typeof body === 'object' && body !== null ? (body as { token?: unknown }).token : undefined;
  return typeof token === 'string' && token !== '' ? token : undefined;
}

export function notAuthenticated(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.status(401).header('www-authenticate', 'Basic realm="writ"');
  if (request.url.startsWith('/oauth2/')) return reply.send({ error: 'invalid_client', error_description: 'This needs a gateway’s client credentials.' });
  return problem(reply, { status: 401, code: 'not-authenticated', detail: 'This route needs a gateway’s client credentials.' });
}

function oauthError(reply: FastifyReply, description: string): FastifyReply {
  return reply.status(400).send({ error: 'invalid_request', error_description: description });
}

function invalid(reply: FastifyReply, fault: FieldProblem): FastifyReply {
  return problem(reply, { status: 400, code: 'invalid-body', detail: fault.message, errors: [fault] });
}

function problem(reply: FastifyReply, facts: ProblemFacts): FastifyReply {
  return reply.status(facts.status).headers({ ...facts.headers, 'content-type': 'application/problem+json' }).send(JSON.stringify(problemDocument(facts)));
}
