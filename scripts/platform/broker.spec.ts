import { eventTypes, exchanges, flow, outsideSays, queues, services, submissionKey, vhosts, type EventType, type ServiceName } from '@writ/contracts';
import { brokerCommands, brokerPlan, type Plan } from './broker.mjs';

const [upstream, gateway, identitySystem] = ['upstream-a', 'gateway-a', 'identity-a'] as const;
const planned = () => brokerPlan({ passwords: (name) => `${name}'s password`, upstreams: [upstream], gateways: [gateway], identitySystems: [identitySystem] });

const userOf = (service: ServiceName) => `writ-${service}`;
const isSaid = (service: ServiceName, type: EventType) => [...flow[service].says as readonly EventType[], 'message.parked', 'act.recorded', 'service.alive'].includes(type);
const isHeard = (service: ServiceName, type: EventType) => flow[service].hears === '*' || (flow[service].hears as readonly EventType[]).includes(type);
const isOutside = (type: EventType) => (outsideSays as readonly EventType[]).includes(type);

type Action = 'configure' | 'write' | 'read';
/** As the broker judges: a right that is not there refuses, and so does a topic that does not fit; a topic right that is not there allows every key. */
function may({ permissions, topics }: Plan, user: string, action: Action, name: string, key?: string, vhost: string = vhosts.main): boolean {
  const right = permissions.find((each) => each.user === user && each.vhost === vhost)?.[action];
  if (right === undefined || !new RegExp(right).test(name)) return false;
  const topic = key === undefined || action === 'configure' ? undefined : topics.find((each) => each.user === user && each.vhost === vhost && each.exchange === name)?.[action];
  return topic === undefined || new RegExp(topic).test(key as string);
}

/** Whatever somebody may do and `flow` does not say, or may not and it does. */
function problemsOf(plan: Plan): string[] {
  const strangers = ['amq.topic', 'writ.parking', 'another.exchange'];
  const check = (user: string, action: Action, name: string, wanted: boolean, key?: string, vhost?: string) =>
    (may(plan, user, action, name, key, vhost) === wanted ? [] : [`${user} ${wanted ? 'may not' : 'may'} ${action} ${name}${key === undefined ? '' : ` ${key}`}`]);
  const ofService = (service: ServiceName) => {
    const user = userOf(service);
    const own = [queues.events(service), queues.parking(service), ...(service === 'request' ? [queues.submissions] : [])];
    const allQueues = [...services.flatMap((each) => [queues.events(each), queues.parking(each)]), queues.submissions];
    return [
      ...eventTypes.flatMap((type) => check(user, 'write', exchanges.events, isSaid(service, type), type)),
      ...allQueues.flatMap((queue) => [...check(user, 'read', queue, own.includes(queue)), ...check(user, 'configure', queue, false), ...check(user, 'write', queue, false)]),
      ...check(user, 'write', exchanges.outcomes, service === 'request', `${upstream}.token.issued`),
      ...[...strangers, exchanges.requests, exchanges.identity, 'amq.default'].flatMap((name) => check(user, 'write', name, false, submissionKey)),
      ...check(user, 'read', queues.rpc, service === 'issuer', undefined, vhosts.rpc),
    ];
  };
  const outsiders = [
    ...check(upstream, 'write', exchanges.requests, true, submissionKey), ...outsideSays.flatMap((type) => check(upstream, 'write', exchanges.requests, false, type)),
    ...check(upstream, 'read', exchanges.outcomes, true, `${upstream}.token.issued`), ...check(upstream, 'read', exchanges.outcomes, false, `${upstream}x.token.issued`),
    ...eventTypes.flatMap((type) => [upstream, gateway].flatMap((user) => check(user, 'write', exchanges.events, false, type))),
    ...[...strangers, exchanges.identity, exchanges.outcomes].flatMap((name) => [upstream, gateway].flatMap((user) => check(user, 'write', name, false, 'any'))),
    ...check(identitySystem, 'write', exchanges.identity, true, outsideSays[0]), ...check(identitySystem, 'write', exchanges.identity, false, 'owner.other'),
    ...[upstream, gateway, identitySystem].flatMap((user) => [...services.flatMap((service) => check(user, 'read', queues.events(service), false)), ...check(user, 'read', queues.rpc, false, undefined, vhosts.rpc)]),
    ...check(gateway, 'write', 'amq.default', true, undefined, vhosts.rpc), ...check(gateway, 'configure', queues.rpc, false, undefined, vhosts.rpc),
  ];
  return [...services.flatMap(ofService), ...outsiders, ...bindingProblems(plan), ...queueProblems(plan), ...userProblems(plan)];
}

function bindingProblems({ topologies }: Plan): string[] {
  const bound = topologies.flatMap(([, { bindings }]) => bindings).map(({ source, routing_key: key, destination }) => `${source} ${key} ${destination}`);
  const wanted = services.flatMap((service) => [
    ...eventTypes.filter((type) => isHeard(service, type)).map((type) => `${isOutside(type) ? exchanges.identity : exchanges.events} ${type} ${queues.events(service)}`),
    `writ.parking ${queues.parking(service)} ${queues.parking(service)}`,
  ]).concat(`${exchanges.requests} ${submissionKey} ${queues.submissions}`);
  return [...wanted.filter((each) => !bound.includes(each)).map((each) => `not bound: ${each}`), ...bound.filter((each) => !wanted.includes(each)).map((each) => `bound: ${each}`)];
}

/** Whoever is outside fills no memory or disk: what they publish into is bounded, and says so when it is full. */
function queueProblems({ topologies }: Plan): string[] {
  const open = topologies.flatMap(([, topology]) => topology.queues).filter(({ name }) => name === queues.submissions || name === queues.rpc);
  return open.filter(({ arguments: settings }) => !(Number(settings['x-max-length']) > 0 && settings['x-overflow'] === 'reject-publish')).map(({ name }) => `${name} has no bound`);
}

function userProblems({ users, permissions }: Plan): string[] {
  const names = users.map(({ name }) => name);
  const wanted = [...services.map(userOf), upstream, gateway, identitySystem];
  const passwords = new Set(users.map(({ password }) => password));
  return [
    ...names.filter((name) => !wanted.includes(name)).map((name) => `${name} is nobody`), ...wanted.filter((name) => !names.includes(name)).map((name) => `${name} is missing`),
    ...permissions.filter(({ user }) => !names.includes(user)).map(({ user }) => `rights for ${user}, who is nobody`),
    ...(passwords.size === users.length ? [] : ['two users have one password']),
  ];
}

describe('what the broker is provisioned with', () => {
  it('lets everybody say and hear what flow says, and nothing else (G10)', () => {
    expect(problemsOf(planned())).toEqual([]);
  });

  const rightsOf = (plan: Plan, user: string) => plan.permissions.find((each) => each.user === user)!;
  const topicOf = (plan: Plan, user: string, exchange: string) => plan.topics.find((each) => each.user === user && each.exchange === exchange)!;
  it.each<[string, (plan: Plan) => void]>([
    ['writ-policy may write writ.events token.issued', (plan) => { plan.topics.splice(plan.topics.indexOf(topicOf(plan, 'writ-policy', exchanges.events)), 1); }],
    ['writ-policy may write amq.topic token.request', (plan) => { rightsOf(plan, 'writ-policy').write = '.*'; }],
    ['writ-monitor may read writ.issuer', (plan) => { rightsOf(plan, 'writ-monitor').read = '^writ\\.(issuer|monitor)'; }],
    ['writ-audit may not write writ.events checkpoint.published', (plan) => { topicOf(plan, 'writ-audit', exchanges.events).write = '^$'; }],
    ['upstream-a may read writ.outcomes upstream-ax.token.issued', (plan) => { topicOf(plan, upstream, exchanges.outcomes).read = `^${upstream}`; }],
    ['upstream-a may write writ.requests owner.deactivated', (plan) => { topicOf(plan, upstream, exchanges.requests).write = '.*'; }],
    ['gateway-a may configure writ.issuer.rpc', (plan) => { rightsOf(plan, gateway).configure = '.*'; }],
    ['not bound: writ.events token.issued writ.rotation', (plan) => { plan.topologies[0]![1].bindings = plan.topologies[0]![1].bindings.filter(({ routing_key: key, destination }) => key !== 'token.issued' || destination !== queues.events('rotation')); }],
    ['bound: writ.events # writ.policy', (plan) => { plan.topologies[0]![1].bindings.push({ source: exchanges.events, destination: queues.events('policy'), destination_type: 'queue', routing_key: '#', arguments: {} }); }],
    ['writ.issuer.rpc has no bound', (plan) => { delete plan.topologies[1]![1].queues[0]!.arguments['x-max-length']; }],
    ['mallory is nobody', (plan) => { plan.users.push({ name: 'mallory', password: 'x' }); }],
    ['two users have one password', (plan) => { plan.users[0]!.password = plan.users[1]!.password; }],
  ])('would be caught where %s', (problem, breakIt) => {
    const plan = planned();
    breakIt(plan);
    expect(problemsOf(plan)).toContain(problem);
  });

  it('says the same as commands, with nothing left for a shell to read into a password', () => {
    const plan = planned();
    const commands = brokerCommands(plan);
    expect(commands.filter((command) => command.startsWith('rabbitmqctl add_user'))).toHaveLength(plan.users.length);
    expect(commands.filter((command) => command.startsWith('rabbitmqctl set_permissions'))).toHaveLength(plan.permissions.length);
    expect(commands.filter((command) => command.startsWith('rabbitmqctl set_topic_permissions'))).toHaveLength(plan.topics.length);
    expect(commands).toContain(`rabbitmqctl add_user '${upstream}' '${upstream}'\\''s password'`);
  });
});
