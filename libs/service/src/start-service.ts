import 'reflect-metadata';
import { Module, type DynamicModule, type INestApplication, type Type } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, DiscoveryModule, DiscoveryService, NestFactory, Reflector } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { ClassConstructor } from 'class-transformer';
import type { Logger } from 'pino';
import { DataSource } from 'typeorm';
import { aliveEveryMs, type ServiceName } from '@writ/contracts';
import { FailingSources } from '@writ/gateway';
import { counted, Messaging, Transactions } from '@writ/messaging';
import { ConfigurationError, crashWithoutSecrets, createLog, readConfig, serverLimits, withoutSecrets } from '@writ/process';
import { AccessGuard, Bearers, GatewayRegister } from './access.js';
import { accessKey } from './caller.js';
import { Clock } from './clock.js';
import { ServiceConfig } from './config.js';
import { Health } from './health.js';
import { HealthController } from './health.controller.js';
import { forgetAnswers, Idempotency } from './idempotency.js';
import { Jobs } from './jobs.js';
import { nestLogger } from './nest-logger.js';
import { openApiOf, routesOf } from './openapi.js';
import { Pressure } from './pressure.js';
import { ProblemFilter } from './problems.js';
import { addReceipts } from './receipts.js';
import { refuseShapeless } from './shape.js';

/** Injects the service's pino log: `@Inject(LOG) log: Logger`. */
export const LOG = Symbol('log');

export interface ServiceOptions<S extends ServiceName, C extends ServiceConfig> {
  name: S;
  module: Type;
  config: ClassConstructor<C>;
  env?: NodeJS.ProcessEnv;
}

export interface Service {
  /** Where the service answers. */
  url: string;
  app: NestFastifyApplication;
  /** Finishes what is under way, publishes what was said, and lets go of everything. */
  close(): Promise<void>;
}

const statementTimeoutMs = 30_000;
const measureEveryMs = 1_000;
const followEveryMs = 5_000;
const forgetEveryMs = 600_000;
const closeTimeoutMs = 40_000;

@Module({})
class ServiceModule {}

/** Starts one service: configuration, log, database, bus, routes, health. Fails with everything undone. */
export async function startService<S extends ServiceName, C extends ServiceConfig>(options: ServiceOptions<S, C>): Promise<Service> {
  const config = readConfig(options.config, options.env ?? process.env);
  const log = createLog(options.name, config.logLevel);
  const source = await connectDatabase(options.name, config, log);
  let app: NestFastifyApplication | undefined;
  try {
    const clock = new Clock();
    await clock.follow(source, Infinity);
    const messaging = new Messaging({ service: options.name, brokerUrl: config.brokerUrl, source, log, batch: config.batch, consumes: config.duties === 'all', nowMs: () => clock.nowMs() });
    const health = new Health(options.name, messaging.transactions);
    health.add(() => messaging.trouble);
    const module = rootModule(options, { config, log, source, messaging, health, clock });
    app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter({ ...serverLimits(config), routerOptions: { maxParamLength: 256 } }), { logger: nestLogger(log), abortOnError: false, bodyParser: true });
    const fastify = app.getHttpAdapter().getInstance();
    refuseShapeless(fastify);
    addReceipts(fastify, options.name);
    assertEveryRouteHasRule(app);
    app.connectMicroservice({ strategy: messaging }, { inheritAppConfig: false });
    const routes = routesOf(fastify);
    fastify.get('/openapi.json', { config: { operation: { operationId: 'OpenApi.document', responses: { 200: { description: '' } } } } }, () => document);
    await app.startAllMicroservices();
    await app.init();
    const document = openApiOf(app, options.name, routes);
    await app.listen(config.httpPort, config.httpHost);
    const url = await app.getUrl();
    log.info({ url }, 'up');
    return { url, app, close: once(() => closeService(app as NestFastifyApplication, source, health, log)) };
  } catch (error) {
    await app?.close().catch(() => undefined);
    await source.destroy();
    throw error;
  }
}

/** `main.ts` of a service: starts it, ends it on SIGTERM, and says in one sentence why it cannot start. */
export async function runService<S extends ServiceName, C extends ServiceConfig>(options: ServiceOptions<S, C>): Promise<void> {
  crashWithoutSecrets(options.name);
  try {
    const service = await startService(options);
    const stop = (signal: string) => {
      setTimeout(() => process.exit(1), closeTimeoutMs).unref();
      service.close().then(() => process.exit(0), (error: unknown) => fail(options.name, `could not stop cleanly after ${signal}`, error));
    };
    process.once('SIGTERM', stop).once('SIGINT', stop);
  } catch (error) {
    fail(options.name, 'did not start', error);
  }
}

function fail(name: string, what: string, error: unknown): never {
  const text = error instanceof ConfigurationError ? error.message : error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  process.stderr.write(`${name} ${what}. ${withoutSecrets(text)}\n`);
  process.exit(1);
}

async function connectDatabase(service: string, config: ServiceConfig, log: Logger): Promise<DataSource> {
  const source = new DataSource({
    type: 'postgres',
    url: config.databaseUrl,
    applicationName: `writ ${service}`,
    poolSize: config.databasePool,
    connectTimeoutMS: 5_000,
    poolErrorHandler: (error: unknown) => log.warn({ err: error }, 'a database connection was lost'),
    extra: { statement_timeout: statementTimeoutMs, idle_in_transaction_session_timeout: statementTimeoutMs * 2, keepAlive: true },
  });
  return source.initialize();
}

interface Parts<S extends ServiceName> {
  config: ServiceConfig;
  log: Logger;
  source: DataSource;
  messaging: Messaging<S>;
  health: Health;
  clock: Clock;
}

function rootModule<S extends ServiceName, C extends ServiceConfig>(options: ServiceOptions<S, C>, parts: Parts<S>): DynamicModule {
  const { config, log, source, messaging, health, clock } = parts;
  const jobs = new Jobs(log, config.duties);
  jobs.everyOwn(measureEveryMs, 'measure-backlog', () => health.measure());
  jobs.everyOwn(followEveryMs, 'follow-database-time', () => clock.follow(source));
  jobs.every(forgetEveryMs, 'forget-answers', () => forgetAnswers(messaging.transactions));
  jobs.every(aliveEveryMs, 'say-alive', async () => {
    await messaging.transactions.run(async (tx) => {
      const counters = await counted(tx.db, options.name);
      tx.emit('service.alive', { service: options.name, at: clock.now().toISOString(), counters }, { subject: options.name });
    });
  });
  const shared = [
    { provide: ServiceConfig, useValue: config },
    { provide: options.config, useValue: config },
    { provide: LOG, useValue: log },
    { provide: DataSource, useValue: source },
    { provide: Transactions, useValue: messaging.transactions },
    { provide: Health, useValue: health },
    { provide: Jobs, useValue: jobs },
    { provide: Bearers, useValue: new Bearers(config, clock) },
    { provide: Clock, useValue: clock },
    { provide: FailingSources, useValue: new FailingSources(config.failuresPerSecond) },
  ];
  return {
    module: ServiceModule,
    global: true,
    imports: [DiscoveryModule, options.module],
    controllers: [HealthController],
    providers: [
      ...shared,
      { provide: APP_FILTER, useValue: new ProblemFilter(log) },
      { provide: APP_INTERCEPTOR, useFactory: (reflector: Reflector) => new Idempotency(reflector, messaging.transactions), inject: [Reflector] },
      {
        provide: APP_GUARD,
        useFactory: (reflector: Reflector, bearers: Bearers, failing: FailingSources, gateways?: GatewayRegister) => new AccessGuard(reflector, bearers, config, clock, failing, gateways),
        inject: [Reflector, Bearers, FailingSources, { token: GatewayRegister, optional: true }],
      },
      { provide: APP_GUARD, useFactory: (reflector: Reflector) => new Pressure(reflector, health, config), inject: [Reflector] },
    ],
    exports: shared.map(({ provide }) => provide),
  };
}

/** A route that nobody thought about must not exist. */
function assertEveryRouteHasRule(app: INestApplication): void {
  const reflector = app.get(Reflector);
  const open = app.get(DiscoveryService).getControllers().flatMap(({ metatype }) => {
    if (!metatype) return [];
    const prototype = (metatype as Type).prototype as Record<string, unknown>;
    return Object.getOwnPropertyNames(prototype)
      .filter((name) => name !== 'constructor' && typeof prototype[name] === 'function' && Reflect.hasMetadata('path', prototype[name] as object))
      .filter((name) => !reflector.getAllAndOverride(accessKey, [prototype[name] as () => void, metatype as Type]))
      .map((name) => `${metatype.name}.${name}`);
  });
  if (open.length > 0) throw new Error(`These routes do not say who may call them: ${open.join(', ')}.`);
}

async function closeService(app: NestFastifyApplication, source: DataSource, health: Health, log: Logger): Promise<void> {
  health.stop();
  await app.close();
  await source.destroy();
  log.info({}, 'stopped');
  await new Promise<void>((resolve) => log.flush(() => resolve()));
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}
