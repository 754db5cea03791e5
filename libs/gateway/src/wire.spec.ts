import fc from 'fast-check';
import { IssuerError } from './issuer-client.js';
import { cacheableToken, readBatch, readGrant, readRegistration } from './wire.js';

const seq = fc.maxSafeNat();
const text = fc.string();
const time = fc.date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true }).map((date) => date.toISOString());
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const registration = fc.record({ verifierId: text, leaseMs: seq, incarnation: text, headSeq: seq });
const entry = fc.record({ seq, kind: text, at: time, reasonCode: text, tokenId: maybe(text), ownerId: maybe(text), generation: maybe(seq) });
const grant = fc.record({ nonce: text, incarnation: text, headSeq: seq, databaseTime: time, entries: fc.array(entry, { maxLength: 4 }), more: fc.boolean() });
const answer = fc.record({
  valid: fc.boolean(), code: fc.constantFrom('VALID', 'SUSPENDED', 'NOT_FOUND', 'RATE_LIMITED'), asOf: time, seq, maxStalenessMs: seq, tokenId: text, owner: text, scopes: fc.array(text),
  audience: text, environment: text, expiresAt: time, networks: maybe(fc.array(text)), generation: maybe(seq), ratePerMinute: maybe(seq),
});
const batch = fc.record({ incarnation: text, results: fc.array(answer, { maxLength: 4 }) });

const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
/** One field of a good message, at any depth, becomes something else or goes. */
const spoilt = (message: fc.Arbitrary<object>) => fc.tuple(message, fc.nat(), fc.option(fc.jsonValue(), { nil: undefined })).map(([good, at, bad]) => {
  const places: [Record<string, unknown>, string][] = [];
  const copy = json(good) as Record<string, unknown>;
  const visit = (node: unknown) => {
    if (typeof node !== 'object' || node === null) return;
    for (const [name, value] of Object.entries(node)) {
      places.push([node as Record<string, unknown>, name]);
      visit(value);
    }
  };
  visit(copy);
  const [node, name] = places[at % places.length] as [Record<string, unknown>, string];
  if (bad === undefined) delete node[name];
  else node[name] = bad;
  return json(copy);
});
const anything = fc.oneof(fc.jsonValue(), spoilt(registration), spoilt(grant), spoilt(batch), spoilt(answer));

function isReadOrRefused(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(IssuerError);
    expect((error as IssuerError).code).toBe('issuer-answer-unreadable');
  }
}

describe('what the issuer answers a verifier', () => {
  it('is read as it was said, whatever fields a later issuer adds', () => {
    const more = fc.jsonValue();
    fc.assert(fc.property(registration, more, (said, later) => expect(readRegistration(json({ ...said, later }))).toEqual(said)));
    fc.assert(fc.property(grant, more, (said, later) => expect(readGrant(json({ ...said, later }))).toEqual(said)));
    fc.assert(fc.property(batch, more, (said, later) => expect(readBatch(json({ ...said, later }), said.results.length)).toEqual(said)));
  });

  it('is refused as unreadable or read whole, whatever it is', () => {
    fc.assert(fc.property(anything, fc.nat(4), (said, length) => {
      isReadOrRefused(() => readRegistration(said));
      isReadOrRefused(() => readGrant(said));
      isReadOrRefused(() => readBatch(said, length));
      isReadOrRefused(() => readBatch(said, length).results.map(cacheableToken));
    }), { numRuns: 500 });
  });

  it('never grants by half: a number that is none, a time that is none or an entry too few is refused', () => {
    const good = { nonce: 'n', incarnation: 'i', headSeq: 1, databaseTime: '2026-01-01T00:00:00Z', entries: [], more: false };
    for (const bad of [{ headSeq: -1 }, { headSeq: 1.5 }, { headSeq: '1' }, { headSeq: 2 ** 53 }, { databaseTime: 'soon' }, { entries: {} }, { entries: [null] }, { nonce: 1 }]) {
      expect(() => readGrant({ ...good, ...bad })).toThrow(IssuerError);
    }
    expect(() => readBatch({ incarnation: 'i', results: [] }, 1)).toThrow(IssuerError);
  });

  it('is kept of a token only with an end and under a state that lasts', () => {
    fc.assert(fc.property(answer, (said) => {
      const kept = cacheableToken(said as Parameters<typeof cacheableToken>[0]);
      expect(kept !== undefined).toBe(said.code === 'VALID' || said.code === 'SUSPENDED');
      if (kept) expect(kept).toMatchObject({ tokenId: said.tokenId, expiresAtMs: Date.parse(said.expiresAt), grant: { scopes: said.scopes } });
    }));
  });
});
