import { randomUUID } from 'node:crypto';
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import { FailingSources } from '@writ/gateway';
import { serverLimits } from '@writ/process';
import { addApi } from './api.controller.js';
import { TooManyCalls, Turns } from './budgets.js';
import { serviceUrls, type ConsoleConfig } from './config.js';
import { refusalOf } from './may-change.js';
import { addPage } from './page.controller.js';
import { problem, providerAway, redisAway, refuse, tooManyCalls, type Problem } from './problem.js';
import { Provider, ProviderAway } from './provider.client.js';
import { addSession } from './session.controller.js';
import { Sessions, SessionsAway } from './sessions.store.js';
import { addSignIn } from './sign-in.controller.js';

/** What the console's doors stand on. */
export interface Console {
  config: ConsoleConfig;
  /** The console's own address as browsers write it in `Origin`. */
  origin: string;
  key: Buffer;
  provider: Provider;
  sessions: Sessions;
  /** Those without a living session, by address. */
  strangers: FailingSources;
  turns: Turns;
  log: Logger;
}

/** Longer than the longest wait for a service, or for another replica that renews a token. */
const connectionTimeoutMs = 60_000;

/** Everything from one host, nothing inline, in nobody's frame, in no cache. */
const headers = {
  'content-security-policy': "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-store',
};

/** Makes the console's server; not yet listening. Closing it lets go of Redis, after the last answer. */
export function createConsole(config: ConsoleConfig, log: Logger): FastifyInstance {
  const key = Buffer.from(config.consoleKey, 'base64');
  const { origin, protocol } = new URL(config.consoleUrl);
  const sessions = new Sessions(config.redisUrl, key, { idleSeconds: config.sessionIdleSeconds, seconds: config.sessionSeconds }, (error) => log.warn({ err: error }, 'Redis does not answer'));
  const parts: Console = { config, origin, key, provider: new Provider(config), sessions, strangers: new FailingSources(config.failuresPerSecond), turns: new Turns(config.callsPerSecond), log };
  const server = fastify({ ...serverLimits(config), connectionTimeout: connectionTimeoutMs, exposeHeadRoutes: false, routerOptions: { maxParamLength: 512 } }) as unknown as FastifyInstance;
  const transport = protocol === 'https:' ? { 'strict-transport-security': 'max-age=31536000' } : {};
  server.addHook('onRequest', async (request, reply) => {
    void reply.headers({ ...headers, ...transport });
    const refusal = refusalOf({ method: request.method, origin: request.headers.origin, contentType: request.headers['content-type'] }, origin);
    if (refusal) return refuse(reply, refusal);
  });
  server.removeAllContentTypeParsers();
  // What is meant for a service is judged there, byte by byte as it came.
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, bytes, done) => done(null, bytes));
  server.setErrorHandler((error, _request, reply) => refuse(reply, problemOf(error, log)));
  server.setNotFoundHandler((_request, reply) => refuse(reply, problem(404, 'not-found', 'There is no such route.')));
  addHealth(server, sessions);
  addSignIn(server, parts);
  addSession(server, parts);
  addApi(server, parts, serviceUrls(config));
  addPage(server);
  server.addHook('onClose', () => sessions.close());
  return server;
}

function addHealth(server: FastifyInstance, sessions: Sessions): void {
  let stopping = false;
  server.addHook('preClose', async () => { stopping = true; });
  server.get('/health/live', () => ({ status: 'live' }));
  server.get('/health/ready', async (_request: FastifyRequest, reply: FastifyReply) => {
    const trouble = stopping ? 'the console is stopping' : await sessions.trouble();
    return reply.status(trouble === undefined ? 200 : 503).send({ status: trouble === undefined ? 'ready' : 'not-ready', troubles: trouble === undefined ? [] : [trouble] });
  });
}

function problemOf(error: unknown, log: Logger): Problem {
  if (error instanceof SessionsAway) return redisAway;
  if (error instanceof ProviderAway) return providerAway;
  if (error instanceof TooManyCalls) return tooManyCalls(error.message, error.waitMs);
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status === 413) return problem(413, 'too-large', 'The body is too large.');
  if (status === 415) return problem(415, 'unsupported-media-type', 'The body’s media type is not accepted here.', 'Send JSON.');
  if (status >= 400 && status < 500) return problem(status, 'malformed-request', 'The request cannot be read.');
  const incident = randomUUID();
  log.error({ err: error, incident }, 'a route failed');
  return problem(500, 'internal-error', `Something went wrong here; the log has it as ${incident}.`, 'Try again; if it stays, give that number to the operator.');
}
