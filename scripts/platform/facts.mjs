import 'reflect-metadata';
import { vhosts } from '@writ/contracts';
import { brokerUser } from '@writ/messaging';
import { databaseName, inDatabase, ownerName } from './databases.mjs';
import { developmentGateway, developmentUpstream, originOf } from './installation.mjs';
import { consoleClient } from './services.mjs';

/** What the environments of all processes are derived from (see `environmentOf`). */
export function factsOf({ layout, ports, backing, passwords, logLevel, tls }) {
  const host = '127.0.0.1';
  const scheme = tls === undefined ? 'http' : 'https';
  const serviceUrl = (name) => `${scheme}://${host}:${ports[name]}`;
  const amqp = (user, vhost) => withUser(backing.amqpUrl, user, passwords(user), vhost);
  return {
    ...layout,
    host,
    ports,
    scheme,
    tls,
    logLevel,
    serviceUrl,
    oidcIssuer: serviceUrl('identity'),
    signerUrl: serviceUrl('signer'),
    consoleUrl: serviceUrl('console'),
    consoleSecret: passwords(`client-${consoleClient}`),
    logOrigin: originOf(layout),
    redisUrl: backing.redisUrl,
    // A local start is for trying things: whatever servers it was given, it speaks to them as their addresses say.
    plainHosts: [...new Set([backing.postgresUrl, backing.amqpUrl, backing.redisUrl].map((url) => new URL(url).hostname))].join(','),
    databaseUrl: (name) => inDatabase(backing.postgresUrl, databaseName(name), databaseName(name), passwords(databaseName(name))),
    migrationUrl: (name) => inDatabase(backing.postgresUrl, databaseName(name), ownerName(name), passwords(ownerName(name))),
    brokerUrl: (name) => amqp(brokerUser(name), vhosts.main),
    rpcBrokerUrl: (name) => amqp(brokerUser(name), vhosts.rpc),
    upstreamUrl: amqp(developmentUpstream, vhosts.main),
    gatewayUrl: amqp(developmentGateway, vhosts.rpc),
  };
}

function withUser(url, user, password, vhost) {
  const changed = new URL(url);
  changed.username = user;
  changed.password = password;
  changed.pathname = `/${encodeURIComponent(vhost)}`;
  return changed.href;
}
