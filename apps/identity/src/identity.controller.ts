import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Provider } from 'oidc-provider';
import type { Logger } from 'pino';
import type { Config } from './config.js';
import { interact, sendPage } from './interaction.controller.js';
import type { Keys } from './keys.store.js';
import { errorPage } from './pages.js';
import { providerConfiguration } from './provider.js';
import { createSessions } from './sessions.store.js';

/** Makes the HTTP server of the provider: health, the sign-in pages, and the protocol for everything else. Not yet listening. */
export function createIdentityServer(config: Pick<Config, 'issuer' | 'audience' | 'clients'> & Partial<Pick<Config, 'tls'>>, keys: Keys, log: Logger): Server {
  const provider = new Provider(config.issuer, providerConfiguration({ ...config, keys, adapter: createSessions() }));
  provider.on('server_error', (_ctx, error: Error) => log.error({ err: error }, 'request failed'));
  const protocol = provider.callback();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    answer(provider, protocol, request, response).catch((error: unknown) => {
      log.error({ err: error }, 'request failed');
      if (!response.headersSent) sendPage(response, 500, errorPage('server_error'));
    });
  };
  return config.tls === undefined ? createServer(onRequest) : createTlsServer({ ...config.tls, minVersion: 'TLSv1.2' }, onRequest);
}

async function answer(provider: Provider, protocol: ReturnType<Provider['callback']>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.url === '/health/live' || request.url === '/health/ready') {
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end('{"status":"ok"}');
    return;
  }
  if (await interact(provider, request, response)) return;
  await protocol(request, response);
}
