import { contentType, cloudEventType } from './envelope.js';
import { events, eventTypes, type EventType } from './events.js';
import { everyoneSays, exchanges, flow, hearsOf, outsideSays, queues, services, submissionKey, vhosts, type ServiceName } from './flow.js';
import { Submission } from './request.js';
import { jsonSchemas, schemasFor, type JsonSchema } from './schemas.js';

/** Who says an event; several only for what everybody says of itself. */
export function producersOf(type: EventType): readonly string[] {
  if ((everyoneSays as readonly EventType[]).includes(type)) return services;
  if ((outsideSays as readonly EventType[]).includes(type)) return ['identity system'];
  return services.filter((service) => (flow[service].says as readonly EventType[]).includes(type));
}

/** Who hears an event, audit aside, which hears all. */
export function listenersOf(type: EventType): ServiceName[] {
  return services.filter((service) => service !== 'audit' && hearsOf(service, eventTypes).includes(type));
}

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** The bus as an AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0). */
export function asyncApi(): object {
  const document = {
    asyncapi: '3.0.0',
    info: {
      title: 'Writ on the bus',
      version: '1',
      description: 'CloudEvents 1.0 in structured JSON mode. Consumers tolerate fields they do not know. Delivery is at least once: drop what you handled before, by the envelope’s id. Events of one type may travel together, as one message in JSON batch format (application/cloudevents-batch+json): take it apart first. Outcomes and requests always travel alone.',
      license: { name: 'Apache-2.0' },
    },
    defaultContentType: contentType,
    servers: { broker: { host: 'broker:5672', pathname: `/${vhosts.main}`, protocol: 'amqp' } },
    channels: { ...Object.fromEntries(eventTypes.map((type) => [channelOf(type), eventChannel(type)])), requests: requestsChannel(), outcomes: outcomesChannel() },
    operations: { ...Object.fromEntries(services.flatMap(operationsOf)), ...upstreamOperations() },
    components: {
      messages: Object.fromEntries(eventTypes.map((type) => [type, message(cloudEventType(type), events[type].name)])),
      schemas: {} as Record<string, JsonSchema>,
    },
  };
  document.components.schemas = { Envelope: envelopeSchema, ...schemasFor(document, eventSchemas()) };
  return document;
}

/** An event that adds no field to its parent has its parent's schema. */
function eventSchemas(): Record<string, JsonSchema> {
  const all = jsonSchemas();
  for (const event of Object.values(events)) {
    const parent = all[(Object.getPrototypeOf(event) as { name: string }).name];
    if (parent) all[event.name] ??= parent;
  }
  return all;
}

function channelOf(type: EventType): string {
  return type.replace('.', '-');
}

function eventChannel(type: EventType): object {
  return {
    address: type,
    messages: { [type]: { $ref: `#/components/messages/${type}` } },
    bindings: { amqp: { is: 'routingKey', exchange: { name: (outsideSays as readonly EventType[]).includes(type) ? exchanges.identity : exchanges.events, type: 'topic', durable: true, vhost: vhosts.main } } },
  };
}

function requestsChannel(): object {
  return {
    address: submissionKey,
    description: `Upstreams ask here. The publisher’s broker user is the upstream’s name; the body’s source is urn:writ:upstream:<name>; the queue behind it is ${queues.submissions}.`,
    messages: { submission: message('writ.token.request', Submission.name) },
    bindings: { amqp: { is: 'routingKey', exchange: { name: exchanges.requests, type: 'topic', durable: true, vhost: vhosts.main } } },
  };
}

function outcomesChannel(): object {
  return {
    address: '{upstream}.{event}',
    description: 'What became of an upstream’s requests. Bind <upstream>.# of this exchange to a queue named <upstream>.<anything>.',
    parameters: { upstream: { description: 'The upstream’s name.' }, event: { description: 'The event, such as request.approved.' } },
    messages: { outcome: { contentType, payload: ref('Envelope') } },
    bindings: { amqp: { is: 'routingKey', exchange: { name: exchanges.outcomes, type: 'topic', durable: true, vhost: vhosts.main } } },
  };
}

function message(type: string, schema: string): object {
  return { name: type, contentType, payload: { allOf: [ref('Envelope'), { type: 'object', properties: { type: { const: type }, data: ref(schema) } }] } };
}

function operationsOf(service: ServiceName): [string, object][] {
  const operation = (action: 'send' | 'receive', types: readonly EventType[]) => types.map((type): [string, object] => [
    `${service}-${action}-${channelOf(type)}`,
    { action, channel: { $ref: `#/channels/${channelOf(type)}` }, tags: [{ name: service }] },
  ]);
  return [...operation('send', [...flow[service].says, ...everyoneSays]), ...operation('receive', hearsOf(service, eventTypes))];
}

function upstreamOperations(): Record<string, object> {
  return {
    'request-receive-requests': { action: 'receive', channel: { $ref: '#/channels/requests' }, tags: [{ name: 'request' }] },
    'request-send-outcomes': { action: 'send', channel: { $ref: '#/channels/outcomes' }, tags: [{ name: 'request' }] },
  };
}

const envelopeSchema = {
  type: 'object',
  required: ['specversion', 'id', 'source', 'type', 'data'],
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', description: 'Unique per source; also the receipt to look the event up in the audit log.' },
    source: { type: 'string' },
    type: { type: 'string' },
    time: { type: 'string', format: 'date-time' },
    datacontenttype: { const: 'application/json' },
    subject: { type: 'string', description: 'Id of the thing that changed.' },
    traceparent: { type: 'string' },
    aggregateversion: { type: 'integer', description: 'Counts the changes of the subject, without a gap.' },
    producer: { type: 'string' },
    producerseq: { type: 'string', description: 'Counts the producer’s events, without a gap.' },
    data: { type: 'object' },
  },
};

/** The flow as a Mermaid picture, one arrow per pair of services. */
export function flowPicture(): string {
  const arrows = new Map<string, string[]>();
  for (const type of eventTypes) {
    if ((everyoneSays as readonly EventType[]).includes(type)) continue;
    for (const from of producersOf(type)) {
      for (const to of listenersOf(type).filter((name) => name !== from)) {
        const pair = `${from.replace(' ', '_')} --> ${to}`;
        arrows.set(pair, [...(arrows.get(pair) ?? []), type]);
      }
    }
  }
  return [
    'flowchart LR',
    '  upstream([upstream systems, people]) -- token.request --> request',
    '  request -. outcomes .-> upstream',
    '  issuer <-- verify --> gateways([gateways])',
    ...services.map((service) => `  ${service}["<b>${service}</b><br/>${flow[service].purpose.replaceAll('"', '&quot;')}"]`),
    '  identity_system([identity system])',
    ...[...arrows].map(([pair, types]) => `  ${pair.replace('-->', `-- ${wordsFor(types)} -->`)}`),
    '  everything([everything said]) --> audit',
  ].join('\n');
}

/** `token.issued, token.revoked, policy.activated` as `token issued, revoked<br/>policy activated`. */
function wordsFor(types: readonly string[]): string {
  const nouns = Map.groupBy(types, (type) => type.slice(0, type.indexOf('.')));
  return [...nouns].map(([noun, group]) => `${noun} ${group.map((type) => type.slice(noun.length + 1)).join(', ')}`).join('<br/>');
}
