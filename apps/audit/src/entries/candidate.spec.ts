import { eventTypes, type EventType, type Message } from '@writ/contracts';
import { hashLeaf, maxEntryBytes, verifyInclusion, proveInclusionIn } from '@writ/tlog';
import { candidateOf, type Candidate } from './candidate.js';
import { disclose, opened } from './disclosure.js';
import { leafOf, parseLeaf } from './leaf.js';
import { sortOut } from './sort-out.js';
import { usesOf } from './uses.js';

const salt = () => Buffer.alloc(16, 7);
const token = 'tok_0000000000000000000000000a';
const person = { iss: 'https://id.example', sub: 'alice' };
const at = new Date('2026-01-01T00:00:00Z');

function message(type: EventType, data: object, more: Partial<Message> = {}): Message {
  return { id: 'evt-1', type, subject: 'x', time: at, userId: 'writ-issuer', producer: 'issuer/3', producerSeq: '9007199254740993', data, ...more } as Message;
}

function leaf(candidate: Candidate) {
  const place = { log: 'log.example', seq: 5, prev: 2, recordedAt: at };
  return leafOf(candidate, place, (name, value) => disclose(salt(), name, value));
}

describe('the leaf of an event', () => {
  it('hides every field that nobody declared open, whatever the event (G8)', () => {
    for (const type of eventTypes.filter((name) => name !== 'usage.recorded')) {
      const candidate = candidateOf(message(type, { somethingNew: 'alice', by: { kind: 'person', principal: person }, reviewer: person }), salt);
      expect(leaf(candidate).bytes.toString()).not.toContain('alice');
      expect(candidate.hidden.map(({ disclosure }) => opened(disclosure.text).name)).toContain('somethingNew');
    }
  });

  it('never holds a sealed secret or the digest of a leaked one, not even hidden (G3)', () => {
    const sealed = candidateOf(message('token.issued', { tokenId: token, sealed: 'SEALED' }), salt);
    const leaked = candidateOf(message('leak.reported', { reportId: 'rep', innerDigest: 'INNER', statement: 'INNER' }), salt);
    for (const { facts, hidden } of [sealed, leaked]) {
      expect(JSON.stringify([facts, hidden.map(({ disclosure }) => opened(disclosure.text))])).not.toMatch(/SEALED|INNER/);
    }
  });

  it('encrypts what a person wrote under that person, and what names another under the other', () => {
    const { hidden } = candidateOf(message('token.issued', { tokenId: token, owner: { id: 'bob', team: 'orders' }, claimant: person, novel: 1 }), salt);
    const subjects = Object.fromEntries(hidden.map(({ subject, disclosure }) => [opened(disclosure.text).name, subject]));
    expect(subjects).toEqual({ owner: 'person bob', claimant: 'person alice', novel: token });
    expect(candidateOf(message('act.recorded', { by: person, ownerId: 'bob', reason: 'stolen' }), salt).hidden.map(({ subject }) => subject)).toEqual(['person alice', 'person bob', 'person alice']);
    expect(candidateOf(message('review.recorded', { requestId: 'r', reviewer: person, reason: 'fine' }), salt).hidden.map(({ subject }) => subject)).toEqual(['person alice', 'person alice']);
  });

  it('is canonical, with 64-bit integers as text', () => {
    const { bytes } = leaf(candidateOf(message('token.expired', { tokenId: token, seq: 12, by: { kind: 'issuer' }, code: 'end-came' }, { aggregateVersion: 4 }), salt));
    expect(bytes.toString()).toBe(
      `{"data":{"by":{"kind":"issuer"},"code":"end-came","seq":"12"},"id":"evt-1","k":"4","log":"log.example","n":"9007199254740993","prev":"2",` +
      `"rec":"2026-01-01T00:00:00.000Z","seq":"5","src":"issuer/3","token":"${token}","ts":"2026-01-01T00:00:00.000Z","type":"token.expired","v":1}`,
    );
  });

  it('counts a token’s ordinal only from the issuer', () => {
    const facts = { tokenId: token, leadTime: 'P1D' };
    expect(candidateOf(message('token.expiring', facts, { aggregateVersion: 3, userId: 'writ-rotation' }), salt).k).toBeUndefined();
  });

  it('exists for text that has no canonical form, and for events larger than an entry', () => {
    const odd = leaf(candidateOf(message('request.refused', { source: 'ci\ud800', code: 'x' }, { id: 'evt\udfff', time: new Date(Number.NaN) }), salt));
    expect(parseLeaf(odd.bytes)).toMatchObject({ id: 'evt\ufffd', ts: at.toISOString() });
    const because = Array.from({ length: 300 }, (_, i) => ({ id: `rule-${i}`, reason: 'x'.repeat(500) }));
    const { bytes, hidden } = leaf(candidateOf(message('request.denied', { because, code: 'x' }), salt));
    expect(bytes.length).toBeLessThan(maxEntryBytes);
    expect(opened(hidden.at(-1)!.disclosure.text)).toMatchObject({ name: 'data', value: { because: { length: 300 } } });
  });
});

describe('an event with more fields than an entry can name', () => {
  const junk = (value: (i: number) => unknown) => Object.fromEntries(Array.from({ length: 1_600 }, (_, i) => [`junk${i}`, value(i)]));

  it('has a leaf that fits, with every field disclosed once under its subject (G8)', () => {
    const { bytes, hidden } = leaf(candidateOf(message('service.alive', { service: 'issuer', at: '1', by: { kind: 'person', principal: person }, ...junk((i) => i) }), salt));
    expect(bytes.length).toBeLessThanOrEqual(maxEntryBytes);
    expect(parseLeaf(bytes)._sd).toEqual(hidden.map(({ disclosure }) => disclosure.digest).sort());
    const fields = hidden.map(({ subject, disclosure }) => [subject, Object.keys(opened(disclosure.text).value as object).length]);
    expect(fields).toEqual([['person alice', 1_601], ['evt-1', 2]]);
  });

  it('is parked at once where even its subjects are too many, and nothing of it is appended (G8)', () => {
    const crowd = candidateOf(message('service.alive', { service: 'issuer', at: '1', ...junk((i) => ({ sub: `person ${i}` })) }), salt);
    expect(() => leaf(crowd)).toThrow(expect.objectContaining({ code: 'too-large' }));
  });
});

describe('sorting out', () => {
  const one = candidateOf(message('service.alive', { service: 'issuer', at: '1' }), salt);
  const other = candidateOf(message('service.alive', { service: 'issuer', at: '2' }), salt);

  it.each([
    ['takes a new event', [one], new Map(), ['service.alive']],
    ['drops a repetition', [one], new Map([['evt-1', one.digest]]), []],
    ['drops a repetition within a batch', [one, one], new Map(), ['service.alive']],
    ['drops what was recovered without its digest', [one], new Map([['evt-1', null]]), []],
    ['says so of another event under a known id', [other], new Map([['evt-1', one.digest]]), ['audit.conflict']],
    ['says so once', [one, other, other], new Map(), ['service.alive', 'audit.conflict']],
  ])('%s (G8)', (_, candidates, known: Map<string, Buffer | null>, types) => {
    expect(sortOut(candidates, known).map(({ type }) => type)).toEqual(types);
  });
});

describe('a batch of uses', () => {
  it('proves each record in the root that the leaf holds, also when the others are forgotten', () => {
    const records = Array.from({ length: 5 }, (_, i) => ({ tokenId: i < 3 ? token : undefined, code: 'VALID', gateway: 'edge', network: `192.0.2.${i}/24`, count: i + 1, firstAt: '', lastAt: '' }));
    const { facts, hashes, groups } = usesOf(records, 'vrf_1', salt);
    expect(facts).toMatchObject({ records: '5', uses: '15' });
    expect(groups.map(({ subject, disclosures }) => [subject, disclosures.map(([place]) => place)])).toEqual([[token, [0, 1, 2]], ['verifier vrf_1', [3, 4]]]);
    const all = Array.from({ length: 5 }, (_, i) => hashes.subarray(i * 32, i * 32 + 32));
    for (const [place, text] of groups.flatMap(({ disclosures }) => disclosures)) {
      expect(verifyInclusion(place, 5, hashLeaf(Buffer.from(text)), proveInclusionIn(all, place), Buffer.from(facts.root, 'base64'))).toBe(true);
    }
  });

  it('stands for two million uses of one second, each record proven by eleven hashes', () => {
    const records = Array.from({ length: 2_000 }, () => ({ tokenId: token, code: 'VALID', gateway: 'edge', count: 1_000, firstAt: '', lastAt: '' }));
    const { facts, hashes, groups } = usesOf(records, 'vrf_1', salt);
    expect(facts).toMatchObject({ records: '2000', uses: '2000000' });
    expect(leaf(candidateOf(message('usage.recorded', { verifierId: 'vrf_1', watermark: '', records }), salt)).bytes.length).toBeLessThan(500);
    const all = Array.from({ length: 2_000 }, (_, i) => hashes.subarray(i * 32, i * 32 + 32));
    const [place, text] = groups[0]!.disclosures[777]!;
    const proof = proveInclusionIn(all, place);
    expect(proof.length).toBeLessThanOrEqual(11);
    expect(verifyInclusion(place, 2_000, hashLeaf(Buffer.from(text)), proof, Buffer.from(facts.root, 'base64'))).toBe(true);
  });
});
