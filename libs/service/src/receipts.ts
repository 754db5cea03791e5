import type { INestApplication, Type } from '@nestjs/common';
import { DiscoveryService, Reflector } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { EventData, EventId, ServiceName } from '@writ/contracts';
import { acts, receipts, traced } from '@writ/messaging';
import { accessKey, changesNothingKey, principalOf, type AccessRule, type WithCaller } from './caller.js';

const header = 'x-audit-receipt';
const mostNamed = 16;

/**
 * Names the events of a state-changing answer, so that its caller can look them up in the log. What a person or machine
 * changed without an event of its own is said as theirs. Their events carry the call's `traceparent`.
 */
export function addReceipts(fastify: FastifyInstance, service: ServiceName): void {
  const said = new WeakMap<object, EventId[]>();
  fastify.addHook('preHandler', (request, _reply, done) => {
    if (request.method === 'GET') return done();
    const ids: EventId[] = [];
    said.set(request, ids);
    const { traceparent } = request.headers;
    traced(typeof traceparent === 'string' ? traceparent : undefined, () => receipts.run(ids, () => acts.run(() => actOf(request, service), done)));
  });
  fastify.addHook('onSend', (request, reply, _payload, done) => {
    const ids = said.get(request);
    if (ids && ids.length > 0) reply.header(header, ids.slice(0, mostNamed).join(', '));
    done();
  });
}

/** Gateways are left out: what they do is housekeeping, or told in batches. */
function actOf(request: FastifyRequest & WithCaller, service: ServiceName): EventData<'act.recorded'> | undefined {
  const { caller, method, url, routeOptions } = request;
  if (!caller || caller.kind === 'gateway') return undefined;
  return { service, act: `${method} ${routeOptions.url}`, path: url.split('?')[0]!.slice(0, 1_024), by: principalOf(caller) };
}

interface Operation {
  operationId?: string;
  responses?: Record<string, { headers?: Record<string, object> }>;
}

/** Says in a service's document which answers carry a receipt: those of every route by which people or machines change something. */
export function describeReceipts(app: INestApplication, paths: Record<string, Record<string, Operation>>): void {
  const changing = changingRoutes(app);
  for (const operations of Object.values(paths)) {
    for (const [method, { operationId, responses }] of Object.entries(operations)) {
      if (method === 'get' || operationId === undefined || !changing.has(operationId)) continue;
      for (const [status, response] of Object.entries(responses ?? {})) {
        if (status.startsWith('2')) response.headers = { ...response.headers, 'X-Audit-Receipt': { description: 'Ids of the events, for the audit log.', schema: { type: 'string' } } };
      }
    }
  }
}

function changingRoutes(app: INestApplication): Set<string> {
  const reflector = app.get(Reflector);
  return new Set(app.get(DiscoveryService).getControllers().flatMap(({ metatype }) => {
    if (!metatype) return [];
    const prototype = (metatype as Type).prototype as Record<string, unknown>;
    return Object.getOwnPropertyNames(prototype).filter((name) => {
      const handler = prototype[name];
      if (name === 'constructor' || typeof handler !== 'function') return false;
      const targets = [handler as () => void, metatype as Type];
      return reflector.getAllAndOverride<AccessRule | undefined>(accessKey, targets)?.kind === 'bearer' && !reflector.getAllAndOverride<boolean | undefined>(changesNothingKey, targets);
    }).map((name) => operationIdOf((metatype as Type).name, name));
  }));
}

/** `Gateways.register`, of the class and its method. */
export function operationIdOf(controller: string, method: string): string {
  return `${controller.replace(/Controller$/, '')}.${method}`;
}
