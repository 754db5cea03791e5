import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ServiceUrls } from '@writ/client';
import { foundFor } from './budgets.js';
import type { Console } from './console.module.js';
import { operations, pathTo, routeOf } from './operations.js';
import { notSignedIn, problem, refuse } from './problem.js';
import { needsSession } from './session.controller.js';

const answerWithinMs = 20_000;
const mostBytes = 16 * 1024 * 1024;
/** What a policy set may have; everything else has the usual limit. The service refuses more as well. */
const setBytes = 3 * 1024 * 1024;
const passedOn = ['content-type', 'retry-after', 'x-audit-receipt', 'www-authenticate'];

/**
 * `/api/{service}/…`: the services' own operations, with the session's bearer token in place of the cookie. Headers go
 * either way by name alone, so neither cookies nor a caller's own Authorization get through. Nothing is tried twice:
 * whoever asked knows whether that is harmless.
 */
export function addApi(server: FastifyInstance, parts: Console, urls: ServiceUrls): void {
  const { sessions, provider, log } = parts;
  async function forward(service: keyof ServiceUrls, template: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const path = pathTo(template, request.params as Record<string, string>);
    if (path === undefined) return refuse(reply, problem(404, 'not-found', 'There is no such route.'));
    const session = await foundFor(parts, request, (id) => sessions.findFresh(id, (refreshToken) => provider.renew(refreshToken)));
    if (session === undefined) return refuse(reply, notSignedIn);
    const { 'idempotency-key': idempotencyKey } = request.headers;
    const body = request.body instanceof Buffer ? request.body : undefined;
    const headers = {
      accept: 'application/json', authorization: `Bearer ${session.accessToken}`,
      ...(body && { 'content-type': 'application/json' }), ...(typeof idempotencyKey === 'string' && { 'idempotency-key': idempotencyKey }),
    };
    const search = request.url.includes('?') ? request.url.slice(request.url.indexOf('?')) : '';
    try {
      const answer = await fetch(urls[service].replace(/\/$/, '') + path + search, { method: request.method, headers, body, redirect: 'error', signal: AbortSignal.timeout(answerWithinMs) });
      const bytes = await bounded(answer);
      if (bytes === undefined) return refuse(reply, problem(502, 'answer-too-large', `The ${service} service answered with more than 16 MiB.`, 'Ask for less at once.'));
      for (const name of passedOn) if (answer.headers.has(name)) void reply.header(name, answer.headers.get(name));
      return await reply.status(answer.status).send(bytes);
    } catch (error) {
      log.warn({ err: error, service }, 'a service did not answer');
      return refuse(reply, problem(502, 'no-answer', `The ${service} service does not answer; what was asked for may or may not have been done.`, 'Look, then try again, with the same Idempotency-Key.'));
    }
  }

  for (const service of Object.keys(operations) as (keyof ServiceUrls)[]) {
    for (const operation of operations[service]) {
      const [method = '', template = ''] = operation.split(' ');
      const bodyLimit = service === 'policy' && template.startsWith('/v1/policy-sets') ? setBytes : undefined;
      server.route({ method, url: `/api/${service}${routeOf(template)}`, bodyLimit, onRequest: needsSession(parts), handler: (request, reply) => forward(service, template, request, reply) });
    }
  }
}

/** The whole body; nothing where it is longer than one process may hold for one caller. */
async function bounded(answer: Response): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (answer.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > mostBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
