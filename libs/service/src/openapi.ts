import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { schemasFor } from '@writ/contracts';

/** Describes a service's routes as OpenAPI 3; the bodies' schemas come from the decorators that check them. */
export function openApiOf(app: NestFastifyApplication, service: string): object {
  const config = new DocumentBuilder()
    .setTitle(`Writ ${service}`)
    .setVersion('1')
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'bearer')
    .addSecurity('gateway', { type: 'http', scheme: 'basic' })
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
  const schemas = schemasFor(document.paths);
  return { ...document, components: { ...document.components, schemas } };
}
