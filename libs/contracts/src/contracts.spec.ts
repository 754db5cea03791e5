import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Parser } from '@asyncapi/parser';
import { CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { compactVerify } from 'jose';
import {
  asyncApi, canonicalJson, deriveId, digestOf, durationSeconds, durationText, events, eventTypes, everyoneSays, flow, flowPicture, idPattern, isFault,
  joinEnvelopes, jsonSchemas, listenersOf, makeId, outsideSays, parseEnvelope, producersOf, requestDigest, services, signStatement, splitEnvelopes, Submission, validateBody, validateEvent,
  verifyStatement, type AcceptedRequest, type EventType, type Trust,
} from './index.js';

const fileText = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');
const samples = JSON.parse(fileText('libs/contracts/samples/v1.json')) as Record<string, Record<string, unknown>>;

describe('every event', () => {
  it('has a frozen sample that parses for ever', () => {
    expect(Object.keys(samples).sort()).toEqual([...eventTypes].sort());
    for (const type of eventTypes) expect([type, validateEvent(type, samples[type])]).toEqual([type, { value: expect.anything() }]);
  });

  it('has one producer, except what everybody says of itself, and a listener besides audit', () => {
    for (const type of eventTypes) {
      if (!(everyoneSays as readonly EventType[]).includes(type)) expect([type, producersOf(type).length]).toEqual([type, 1]);
      if (type !== 'request.refused') expect([type, listenersOf(type).length > 0]).toEqual([type, true]);
    }
  });

  it('is no event without any one of its mandatory fields', () => {
    const schemas = jsonSchemas();
    for (const type of eventTypes) {
      const { name } = events[type];
      const { required: mandatory = [] } = (schemas[name] ?? schemas[(Object.getPrototypeOf(events[type]) as { name: string }).name]) as { required?: string[] };
      const missed = mandatory.filter((field) => 'value' in validateEvent(type, { ...samples[type], [field]: undefined }));
      expect([type, mandatory.length > 0, missed]).toEqual([type, true, []]);
    }
  });

  it('holds no null where a list has objects', () => {
    expect(validateEvent('request.approved', { ...samples['request.approved'], because: [null] })).toHaveProperty('problems');
  });

  it('lets unknown fields pass, because contracts grow', () => {
    expect(validateEvent('service.alive', { ...samples['service.alive'], later: 1 })).toHaveProperty('value');
  });
});

describe('an envelope', () => {
  const envelope = { specversion: '1.0', id: 'a', source: 'urn:writ:service:policy', type: 'writ.service.alive', time: '2026-01-01T00:00:00Z', datacontenttype: 'application/json', subject: 's', aggregateversion: 1, producer: 'policy/1', producerseq: '7', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', data: samples['service.alive'] };

  it('is a CloudEvent to the reference SDK', () => {
    const event = new CloudEvent(envelope as never);
    expect(event.validate()).toBe(true);
    expect(JSON.parse(HTTP.structured(event).body as string)).toMatchObject({ id: 'a', producerseq: '7' });
  });

  it.each([
    ['no JSON', Buffer.from('{'), 'malformed-json'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'malformed-json'],
    ['an array', Buffer.from('[]'), 'malformed-envelope'],
    ['another version', Buffer.from(JSON.stringify({ ...envelope, specversion: '0.3' })), 'malformed-envelope'],
    ['no data', Buffer.from(JSON.stringify({ ...envelope, data: undefined })), 'malformed-envelope'],
    ['an empty id', Buffer.from(JSON.stringify({ ...envelope, id: '' })), 'malformed-envelope'],
    ['a time that is none', Buffer.from(JSON.stringify({ ...envelope, time: 'soon' })), 'malformed-envelope'],
  ])('with %s is refused by code', (_, bytes, code) => {
    expect(parseEnvelope(bytes)).toMatchObject({ code });
  });

  it('is read without an exception, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => isFault(parseEnvelope(bytes))));
    fc.assert(fc.property(fc.json(), (text) => {
      parseEnvelope(Buffer.from(text));
    }));
  });
});

describe('a batch of envelopes', () => {
  const apart = (batch: Buffer) => splitEnvelopes(batch).map(String);

  it('is JSON, and comes apart into the same bytes', () => {
    fc.assert(fc.property(fc.array(fc.json(), { minLength: 1, maxLength: 20 }), (bodies) => {
      const lines = bodies.map((body) => JSON.stringify(JSON.parse(body)));
      const batch = joinEnvelopes(lines);
      expect(JSON.parse(batch)).toEqual(lines.map((line) => JSON.parse(line) as unknown));
      expect(apart(Buffer.from(batch))).toEqual(lines);
    }));
  });

  it('of another hand, written any way JSON allows, comes apart too', () => {
    expect(apart(Buffer.from('[{"id":"a"},  {"id":"b"}]'))).toEqual(['{"id":"a"}', '{"id":"b"}']);
  });

  it.each(['', '[', '[]', '[\n]', '{"id":"a"}', `[${'1,'.repeat(1_001)}1]`, `[\n${'1,\n'.repeat(1_001)}1\n]`])('that is none, or endless, stays whole: %#', (text) => {
    expect(apart(Buffer.from(text))).toEqual([text]);
  });
});

describe('a body of a stranger', () => {
  const body = { requester: { id: 'svc:a' }, reason: 'export', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P1D', delivery: { mode: 'claim' } };
  const problemsOf = (value: unknown) => {
    const result = validateBody(Submission, value);
    return 'problems' in result ? result.problems : [];
  };

  it('passes when it keeps every rule', () => expect(problemsOf(body)).toEqual([]));

  it.each([
    ['an unknown field', { ...body, extra: 1 }, '/extra'],
    ['an unknown nested field', { ...body, delivery: { mode: 'claim', to: 'me' } }, '/delivery/to'],
    ['__proto__', JSON.parse('{"__proto__":{"admin":true}}') as object, '/__proto__'],
    ['a nested constructor', { ...body, requester: { id: 'a', constructor: {} } }, '/requester/constructor'],
    ['a field whose name no database keeps', { ...body, '\u0000': 1 }, '/\ufffd'],
    ['nobody who asks', { ...body, requester: undefined }, '/requester'],
    ['null for a part', { ...body, delivery: null }, '/delivery'],
    ['an empty list for a part', { ...body, delivery: [] }, '/delivery'],
    ['no scopes', { ...body, scopes: [] }, '/scopes'],
    ['a scope twice', { ...body, scopes: ['a:b', 'a:b'] }, '/scopes'],
    ['months', { ...body, ttl: 'P1M' }, '/ttl'],
    ['a lone surrogate', { ...body, reason: '\ud800' }, '/reason'],
    ['a NUL character', { ...body, reason: 'a\u0000b' }, '/reason'],
    ['a number for a text', { ...body, reason: 7 }, '/reason'],
    ['an unknown delivery', { ...body, delivery: { mode: 'mail' } }, '/delivery/mode'],
    ['text for an object', 'hello', ''],
  ])('with %s is refused at its place', (_, value, pointer) => {
    expect(problemsOf(value).map((problem) => problem.pointer)).toContain(pointer);
  });

  it('is refused when it is nested too deeply, without a stack overflow', () => {
    let deep: object = {};
    for (let i = 0; i < 5_000; i++) deep = { deep };
    expect(problemsOf({ ...body, requester: deep })[0]?.message).toMatch(/nested too deeply/);
  });

  it('is judged without an exception, whatever it is', () => {
    fc.assert(fc.property(fc.anything(), (value) => {
      validateBody(Submission, value);
    }));
  });
});

describe('a request digest', () => {
  const request: AcceptedRequest = {
    requestId: 'req_01jd7x2m8k0000000000000001' as never, source: 'ci', submitter: { iss: 'urn:writ:upstream', sub: 'ci' }, requester: { id: 'svc:a', team: 'orders' },
    claimant: { iss: 'https://id', sub: 'svc:a' }, reason: 'export', resource: 'orders', audience: 'orders', scopes: ['b:x', 'a:y'], environment: 'dev', ttl: 'P1D', delivery: { mode: 'claim' },
  };
  const changes: Partial<AcceptedRequest>[] = [
    { requestId: 'req_01jd7x2m8k0000000000000002' as never }, { source: 'cd' }, { submitter: { iss: 'urn:writ:upstream', sub: 'cd' } }, { requester: { id: 'svc:b', team: 'orders' } },
    { requester: { id: 'svc:a', team: 'billing' } }, { claimant: { iss: 'https://id', sub: 'svc:b' } }, { resource: 'billing' }, { audience: 'billing' }, { scopes: ['b:x'] },
    { environment: 'prod' }, { ttl: 'P2D' }, { ttl: undefined, expiresAt: '2027-01-01T00:00:00Z' }, { delivery: { mode: 'sealed', keyId: 'k' } }, { deliveryKeyThumbprint: 'x' },
    { replaces: 'tok_01jd7x2m8k0000000000000002' as never },
  ];

  it('changes with every fact that an approval is for (G1)', () => {
    const digests = [request, ...changes.map((change) => ({ ...request, ...change }))].map(requestDigest);
    expect(new Set(digests).size).toBe(changes.length + 1);
  });

  it('does not depend on the order of scopes, nor on the reason, which may have to be forgotten', () => {
    expect(requestDigest({ ...request, scopes: ['a:y', 'b:x'], reason: 'other' })).toBe(requestDigest(request));
  });

  it('is the same for ever: this one is frozen', () => {
    expect(requestDigest(request)).toBe('sha256:7d9084484f9fabf9f718576d68983bbca2ab2fd84fb7455bb89fa3a13c939ead');
  });
});

describe('a statement', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const key = { kid: 'policy-1', privateKey };
  const trust: Trust = new Map([['policy-1', { kid: 'policy-1', service: 'policy', purposes: ['decision'], publicKey }]]);
  const now = new Date('2026-01-01T00:00:00Z');
  const claims = { iat: 1, exp: now.getTime() / 1000 + 60, requestId: 'x' };
  const statement = signStatement(key, 'decision', claims);

  it('is a JWS that other software verifies', async () => {
    expect((await compactVerify(statement, publicKey)).protectedHeader).toMatchObject({ alg: 'EdDSA', kid: 'policy-1' });
  });

  it('says what was signed, until it expires', () => {
    expect(verifyStatement(trust, 'decision', statement, now)).toEqual(claims);
    expect(verifyStatement(trust, 'decision', statement, new Date(claims.exp * 1000))).toBe('statement-expired');
  });

  it('counts for its own purpose only, and only from a key that is trusted for it (G1)', () => {
    expect(verifyStatement(trust, 'vote', statement, now)).toBe('statement-wrong-purpose');
    expect(verifyStatement(trust, 'vote', signStatement(key, 'vote', claims), now)).toBe('statement-wrong-purpose');
    expect(verifyStatement(new Map(), 'decision', statement, now)).toBe('statement-unknown-key');
  });

  it('does not survive the change of any one of its bits', () => {
    fc.assert(fc.property(fc.nat(statement.length - 1), fc.constantFrom(..."Aaz09-_."), (at, letter) => {
      if (statement[at] === letter) return;
      const changed = statement.slice(0, at) + letter + statement.slice(at + 1);
      // The last letter of a base64url text has bits that no byte uses.
      const unusedBits = at === statement.length - 1 && Buffer.from(changed.split('.')[2] ?? '', 'base64url').equals(Buffer.from(statement.split('.')[2] ?? '', 'base64url'));
      expect(unusedBits || typeof verifyStatement(trust, 'decision', changed, now) === 'string').toBe(true);
    }));
  });

  it('is refused without an exception, whatever the text', () => {
    fc.assert(fc.property(fc.string(), (text) => typeof verifyStatement(trust, 'decision', text, now) === 'string'));
  });
});

describe('ids, durations, canonical JSON', () => {
  it('make ids that sort by time and match their pattern', () => {
    fc.assert(fc.property(fc.nat(2 ** 40), fc.uint8Array({ minLength: 10, maxLength: 10 }), (time, entropy) => {
      const id = makeId('tok', time, entropy);
      expect(id).toMatch(idPattern('tok'));
      expect(makeId('tok', time + 1, new Uint8Array(10)) > id).toBe(true);
    }));
  });

  it('derive the same id from the same facts', () => {
    expect(deriveId('req', 1_700_000_000_000, 'ci', 'b1f0')).toBe(deriveId('req', 1_700_000_000_000, 'ci', 'b1f0'));
    expect(deriveId('req', 1_700_000_000_000, 'ci', 'b1f0')).not.toBe(deriveId('req', 1_700_000_000_000, 'cib', '1f0'));
  });

  it('read durations of fixed length only', () => {
    expect(['P30D', 'PT12H', 'P1W', 'P1DT1H1M1S', 'P1M', 'P1Y', 'P', 'PT', 'P1DT', '30D', 'PT1.5H'].map(durationSeconds)).toEqual(
      [2_592_000, 43_200, 604_800, 90_061, undefined, undefined, undefined, undefined, undefined, undefined, undefined],
    );
  });

  it('write every duration so that it reads back', () => {
    fc.assert(fc.property(fc.nat(1e9), (seconds) => durationSeconds(durationText(seconds)) === seconds));
  });

  it('give equal values equal digests, and refuse what has no canonical form', () => {
    expect(digestOf({ b: 1, a: [2, { d: 1, c: 2 }] })).toBe(digestOf({ a: [2, { c: 2, d: 1 }], b: 1 }));
    for (const value of [undefined, NaN, '\ud800', { a: Infinity }]) expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

describe('the documents made from the contracts', () => {
  it('are not stale: npm run docs writes them', () => {
    expect(JSON.parse(fileText('docs/asyncapi.json'))).toEqual(JSON.parse(JSON.stringify(asyncApi())));
    expect(fileText('README.md')).toContain(flowPicture());
  });

  it('are valid AsyncAPI 3', async () => {
    const { diagnostics } = await new Parser().parse(JSON.stringify(asyncApi()));
    expect(diagnostics.filter(({ severity }) => Number(severity) === 0)).toEqual([]);
  });

  it('name every service', () => {
    for (const service of services) expect(flowPicture()).toContain(flow[service].purpose.replaceAll('"', '&quot;'));
    expect(outsideSays.every((type) => producersOf(type).includes('identity system'))).toBe(true);
  });
});
