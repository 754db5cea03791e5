import type { Envelope, Submission } from '@writ/contracts';
import { endFault, readBody, readEnvelope } from './read-submission.js';

const body = { requester: { id: 'svc:a', team: 'orders' }, reason: 'why', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P1D', delivery: { mode: 'claim' } };
const envelope = (more: object): Envelope => ({ specversion: '1.0', id: '1', source: 'urn:writ:upstream:ci', type: 'writ.token.request', time: '2026-01-01T00:00:00Z', datacontenttype: 'application/json', data: body, ...more });

it.each([
  ['another type', envelope({ type: 'writ.request.approved' }), 'wrong-type'],
  ['the source of another upstream', envelope({ source: 'urn:writ:upstream:other' }), 'wrong-source'],
  ['the source of a service', envelope({ source: 'urn:writ:service:request' }), 'wrong-source'],
  ['an id with a NUL', envelope({ id: 'a\u0000b' }), 'malformed-envelope'],
  ['an id with a lone surrogate', envelope({ id: 'a\ud800' }), 'malformed-envelope'],
  ['an id that is too long', envelope({ id: 'x'.repeat(257) }), 'malformed-envelope'],
  ['what was too large to read', { code: 'too-large' as const, detail: '' }, 'too-large'],
])('refuses %s', (_, sent, code) => {
  expect(readEnvelope(sent, 'ci')).toMatchObject({ refused: true, code });
});

it('reads an envelope of its own publisher', () => {
  expect(readEnvelope(envelope({}), 'ci')).toEqual({ submissionId: '1', data: body });
});

it.each([
  ['no end', { ...body, ttl: undefined }, '/ttl'],
  ['two ends', { ...body, expiresAt: '2099-01-01T00:00:00Z' }, '/ttl'],
  ['a month for a duration', { ...body, ttl: 'P1M' }, '/ttl'],
  ['no reason', { ...body, reason: '' }, '/reason'],
  ['no scopes', { ...body, scopes: [] }, '/scopes'],
  ['a scope twice', { ...body, scopes: ['a', 'a'] }, '/scopes'],
  ['a field nobody knows', { ...body, admin: true }, '/admin'],
  ['a prototype', JSON.parse(JSON.stringify(body).replace('{', '{"__proto__":{"x":1},')) as object, '/__proto__'],
  ['a lone surrogate', { ...body, reason: 'a\ud800' }, '/reason'],
  ['a NUL', { ...body, reason: 'a\u0000' }, '/reason'],
  ['a number for a text', { ...body, resource: 7 }, '/resource'],
  ['a list for the requester', { ...body, requester: [] }, '/requester'],
  ['a sealed delivery without a key', { ...body, delivery: { mode: 'sealed' } }, '/delivery/keyId'],
  ['a key for a claim', { ...body, delivery: { mode: 'claim', keyId: 'k' } }, '/delivery/keyId'],
])('refuses %s and says where', (_, data, pointer) => {
  const read = readBody(data);
  expect(read).toMatchObject({ refused: true, code: 'invalid-body' });
  expect((read as { problems: { pointer: string }[] }).problems.map((problem) => problem.pointer.slice(0, pointer.length))).toContain(pointer);
});

it('says in plain words that a reason is empty', () => {
  expect(readBody({ ...body, reason: '' })).toMatchObject({ problems: [{ pointer: '/reason', message: 'reason is empty' }] });
});

it.each([
  ['a day', { ttl: 'P1D' }, undefined],
  ['a date ahead', { expiresAt: '2026-02-01T00:00:00Z' }, undefined],
  ['this very instant', { expiresAt: '2026-01-01T00:00:00Z' }, 'expiry-in-the-past'],
  ['a second that does not exist', { expiresAt: '2026-01-01T23:59:60Z' }, 'expiry-in-the-past'],
  ['a century', { ttl: 'P36500D' }, 'expiry-too-far'],
  ['the year 9999', { expiresAt: '9999-01-01T00:00:00Z' }, 'expiry-too-far'],
])('judges an end of %s', (_, end, code) => {
  expect(endFault(end as Submission, new Date('2026-01-01T00:00:00Z'), 3_650)?.code).toBe(code);
});
