import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { getMetadataStorage } from 'class-validator';
import { validationMetadatasToSchemas } from 'class-validator-jsonschema';
import { defaultMetadataStorage } from 'class-transformer/cjs/storage.js';

type Json = Record<string, unknown>;

/**
 * Describes a service's routes as OpenAPI 3. The bodies' schemas come from the very decorators that check them, so the
 * document cannot say anything else than the code.
 */
export function openApiOf(app: NestFastifyApplication, service: string): Json {
  const config = new DocumentBuilder()
    .setTitle(`Writ ${service}`)
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'bearer')
    .addSecurity('gateway', { type: 'http', scheme: 'basic' })
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  }) as unknown as Json & { components?: Json & { schemas?: Json } };
  const all = validationMetadatasToSchemas({
    classValidatorMetadataStorage: getMetadataStorage(), classTransformerMetadataStorage: defaultMetadataStorage, refPointerPrefix: '#/components/schemas/',
  }) as Json;
  const schemas: Json = {};
  collect(document.paths, all, schemas);
  document.components = { ...document.components, schemas };
  return document;
}

/** Copies the schemas that a value refers to, and those that these refer to. */
function collect(value: unknown, all: Json, into: Json): void {
  for (const [, name] of JSON.stringify(value ?? null).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    if (name === undefined || name in into || !(name in all)) continue;
    into[name] = all[name];
    collect(all[name], all, into);
  }
}
