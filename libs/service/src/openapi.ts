import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { FastifyInstance } from 'fastify';
import { schemasFor } from '@writ/contracts';
import { describeReceipts, operationIdOf } from './receipts.js';

/** A route as Fastify knows it, with the operation that its `config.operation` describes. */
export interface FastRoute {
  method: string;
  url: string;
  operation?: object;
}

/** Collects the routes that are made from now on; call it before the first one. */
export function routesOf(fastify: FastifyInstance): FastRoute[] {
  const routes: FastRoute[] = [];
  fastify.addHook('onRoute', ({ method, url, config }) => {
    const { operation } = (config ?? {}) as { operation?: object };
    for (const each of [method].flat()) if (each !== 'HEAD' && each !== 'OPTIONS') routes.push({ method: each, url, operation });
  });
  return routes;
}

/**
 * Describes a service's routes as OpenAPI 3; the bodies' schemas come from the decorators that check them. Routes that
 * stand straight on Fastify are in it too, described or not: nothing that answers is missing.
 */
export function openApiOf(app: NestFastifyApplication, service: string, routes: readonly FastRoute[]): object {
  const config = new DocumentBuilder()
    .setTitle(`Writ ${service}`)
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'bearer')
    .addSecurity('gateway', { type: 'http', scheme: 'basic' })
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: operationIdOf,
  });
  const paths = document.paths as Record<string, Record<string, object>>;
  for (const { method, url, operation } of routes) {
    const described = (paths[pathOf(url)] ??= {});
    described[method.toLowerCase()] ??= operation ?? { responses: { default: { description: '' } } };
  }
  describeReceipts(app, paths);
  return { ...document, components: { ...document.components, schemas: schemasFor(paths) } };
}

/** `/tile/*` and `/v1/tokens/:id` as OpenAPI writes them. */
function pathOf(url: string): string {
  return url.replace(/:(\w+)/g, '{$1}').replace('*', '{path}');
}
