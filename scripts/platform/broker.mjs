import 'reflect-metadata';
import { gatewayPermissions, identitySystemPermissions, mainTopology, rpcTopology, servicePermissions, upstreamPermissions } from '@writ/messaging';
import { vhosts } from '@writ/contracts';
import { connect } from 'amqplib';
import { Problem } from '../backing/problem.mjs';
import { askManagement } from '../backing/rabbitmq.mjs';

/** Everything that the broker must hold, as definitions: virtual hosts, users, what they may do, exchanges, queues, bindings. */
export function brokerPlan({ passwords, upstreams, gateways, identitySystems }) {
  const granted = [
    servicePermissions(), ...upstreams.map((name) => upstreamPermissions(name)), ...gateways.map((name) => gatewayPermissions(name)), ...identitySystems.map((name) => identitySystemPermissions(name)),
  ];
  const permissions = granted.flatMap((each) => each.permissions);
  return {
    vhosts: Object.values(vhosts),
    users: [...new Set(permissions.map(({ user }) => user))].map((name) => ({ name, password: passwords(name) })),
    permissions,
    topics: granted.flatMap(({ topics }) => topics),
    topologies: [[vhosts.main, mainTopology()], [vhosts.rpc, rpcTopology()]],
  };
}

/** Marks the users that a plan made, so that one which leaves it goes; others are their operator's. */
const planned = 'writ-plan';

/**
 * Brings the broker to the plan through its management API. Safe to repeat; users, rights and bindings that left the plan go.
 * @returns whether the account that every broker is born with stays, because it is what we administer the broker with
 */
export async function provisionBroker(managementUrl, plan) {
  const call = (method, path, body) => manage(managementUrl, method, path, body);
  for (const vhost of plan.vhosts) await call('PUT', `/api/vhosts/${encoded(vhost)}`, {});
  // Its password is known to everybody.
  const guestStays = new URL(managementUrl).username === 'guest';
  if (!guestStays) await call('DELETE', '/api/users/guest');
  await removeOthers(call, plan);
  await Promise.all(plan.users.map(({ name, password }) => call('PUT', `/api/users/${encoded(name)}`, { password, tags: planned })));
  await Promise.all(plan.permissions.map(({ user, vhost, ...rights }) => call('PUT', `/api/permissions/${encoded(vhost)}/${encoded(user)}`, rights)));
  for (const { user, vhost, ...rights } of plan.topics) await call('PUT', `/api/topic-permissions/${encoded(vhost)}/${encoded(user)}`, rights);
  for (const [vhost, topology] of plan.topologies) {
    for (const { name, ...exchange } of topology.exchanges) await call('PUT', `/api/exchanges/${encoded(vhost)}/${encoded(name)}`, exchange);
    for (const { name, ...queue } of topology.queues) await call('PUT', `/api/queues/${encoded(vhost)}/${encoded(name)}`, queue);
    await call('POST', `/api/definitions/${encoded(vhost)}`, { bindings: topology.bindings });
    await unbindOthers(call, vhost, topology);
  }
  return { guestStays };
}

async function removeOthers(call, { users, permissions }) {
  const names = new Set(users.map(({ name }) => name));
  const granted = new Set(permissions.map(({ user, vhost }) => JSON.stringify([user, vhost])));
  const gone = (await call('GET', '/api/users')).filter(({ name, tags }) => tags.includes(planned) && !names.has(name));
  for (const { name } of gone) await call('DELETE', `/api/users/${encoded(name)}`);
  const surplus = (await call('GET', '/api/permissions')).filter(({ user, vhost }) => names.has(user) && !granted.has(JSON.stringify([user, vhost])));
  for (const { user, vhost } of surplus) await call('DELETE', `/api/permissions/${encoded(vhost)}/${encoded(user)}`);
}

async function unbindOthers(call, vhost, topology) {
  const wanted = new Set(topology.bindings.map(bindingKey));
  const ours = new Set(topology.queues.map(({ name }) => name));
  const bound = await call('GET', `/api/bindings/${encoded(vhost)}`);
  const surplus = bound.filter((binding) => binding.source !== '' && ours.has(binding.destination) && !wanted.has(bindingKey(binding)));
  for (const { source, destination, properties_key: key } of surplus) {
    await call('DELETE', `/api/bindings/${encoded(vhost)}/e/${encoded(source)}/q/${encoded(destination)}/${encoded(key)}`);
  }
}

const bindingKey = ({ source, destination, routing_key: key }) => JSON.stringify([source, destination, key]);
const encoded = encodeURIComponent;

async function manage(url, method, path, body) {
  const answer = await askManagement(url, path, { method, body, timeoutMs: 15_000 }).catch((cause) => {
    throw new Problem(`RabbitMQ's management API does not answer at ${new URL(url).host}.`, 'Check WRIT_BACKING_AMQP_MANAGEMENT_URL and that the management plugin is enabled.', { cause });
  });
  if (answer.ok) return answer.headers.get('content-type')?.includes('json') ? answer.json() : undefined;
  if (method === 'DELETE' && answer.status === 404) return undefined;
  const { reason } = await answer.json().catch(() => ({ reason: undefined }));
  if (answer.status === 401) throw new Problem('RabbitMQ refuses the management credentials.', 'Check user and password in WRIT_BACKING_AMQP_MANAGEMENT_URL; the user needs the tag administrator.');
  const remedy = String(reason).includes('inequivalent') ? 'A queue of that name exists with other settings: delete it once it is empty, then start again.' : 'Check the broker\'s log.';
  throw new Problem(`RabbitMQ refused ${method} ${decodeURIComponent(path)}: ${reason ?? answer.status}.`, remedy);
}

/** The same plan as commands for whoever may administer the broker, when we may not. The passwords stand in them. */
export function brokerCommands(plan) {
  const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const json = (value) => quote(JSON.stringify(value));
  return [
    '# The account that every broker is born with.',
    'rabbitmqctl delete_user guest || true',
    ...plan.vhosts.map((vhost) => `rabbitmqctl add_vhost ${vhost}`),
    ...plan.users.map(({ name, password }) => `rabbitmqctl add_user ${quote(name)} ${quote(password)}`),
    ...plan.permissions.map(({ user, vhost, configure, write, read }) => `rabbitmqctl set_permissions -p ${vhost} ${[user, configure, write, read].map(quote).join(' ')}`),
    ...plan.topics.map(({ user, vhost, exchange, write, read }) => `rabbitmqctl set_topic_permissions -p ${vhost} ${[user, exchange, write, read].map(quote).join(' ')}`),
    ...plan.topologies.map(([vhost, topology]) => `printf '%s' ${json({
      exchanges: topology.exchanges.map((each) => ({ ...each, vhost })),
      queues: topology.queues.map((each) => ({ ...each, vhost })),
      bindings: topology.bindings.map((each) => ({ ...each, vhost })),
    })} | rabbitmqctl import_definitions`),
  ];
}

/** Whether every account of the plan may enter: somebody else, who may administer the broker, has followed it. */
export async function isProvisioned(brokerUrl, plan) {
  const entered = await Promise.all(plan.permissions.map(({ user, vhost }) => mayEnter(brokerUrl, vhost, plan.users.find(({ name }) => name === user))));
  return entered.every(Boolean);
}

async function mayEnter(brokerUrl, vhost, { name, password }) {
  const url = new URL(brokerUrl);
  Object.assign(url, { username: name, password, pathname: `/${encoded(vhost)}` });
  try {
    const connection = await connect(url.href, { timeout: 5_000 });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}
