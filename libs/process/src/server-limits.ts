import { tlsOf, type ProcessConfig } from './config.js';

const requestTimeoutMs = 15_000;
/**
 * Node looks for those that take too long every half minute, so that a slow client would hold its place for three times as
 * long. Of the two limits it takes the larger for the whole request: unless headers have the smaller, a body may drip for a minute.
 */
const connections = { connectionsCheckingInterval: 2_500, headersTimeout: 10_000 };

/**
 * What every HTTP server of ours is told, as Fastify takes it: its certificate, which proxies to believe, and an end to
 * callers that are slow with a request or send too much of one.
 */
export function serverLimits(config: ProcessConfig) {
  const https = tlsOf(config);
  return {
    ...(https === undefined ? { http: connections } : { https: { ...https, ...connections } }),
    ...(config.trustedProxies.length > 0 ? { trustProxy: config.trustedProxies } : {}),
    bodyLimit: 65_536, requestTimeout: requestTimeoutMs, connectionTimeout: requestTimeoutMs, keepAliveTimeout: 60_000, forceCloseConnections: 'idle' as const,
  };
}
