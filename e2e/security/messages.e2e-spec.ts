import type { DecisionClaims, Digest, Grant, LeakClaims, PolicySetClaims, ProposalClaims, RequestAnswer, RequestApproved, RequestId, RotationId, TokenId } from '@writ/contracts';
import { makeId, services, signStatement } from '@writ/contracts';
import { innerDigest } from '@writ/token';
import { as, entriesOf, freshToken, need, statusOf, until, untilStatus, urls, verify, wish } from '../platform.js';
import { ask } from './callers.js';
import { claimsOf, selfMadeKey, stolenKey, Thief } from './thief.js';

/** Whatever a thief may publish is still only a message: the issuer believes signatures, digests and votes. */

const thieves = new Map<string, Thief>();
beforeAll(async () => {
  for (const service of services) thieves.set(service, await Thief.of(service));
});
afterAll(() => Promise.all([...thieves.values()].map((thief) => thief.close())));
const thiefOf = (service: string) => thieves.get(service) as Thief;

const newId = (prefix: 'evt' | 'rep' | 'alr' | 'rot') => makeId(prefix, Date.now(), Buffer.from(crypto.getRandomValues(new Uint8Array(10))));
const seconds = () => Math.floor(Date.now() / 1000);
const bigWish = () => wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'P1D' });

async function ask1(body = bigWish()): Promise<RequestId> {
  return (await as('requester').request.post<RequestAnswer>('/v1/requests', { body })).requestId;
}

async function held(): Promise<RequestId> {
  const requestId = await ask1();
  await untilStatus(requestId, 'held');
  return requestId;
}

/** What the policy service really signed on a request, last decision. */
async function decisionOn(requestId: string): Promise<{ statement: string; claims: DecisionClaims }> {
  const { items } = await as('auditor').policy.get<{ items: { statement: string }[] }>(`/v1/decisions/${requestId}`);
  const statement = items.at(-1)?.statement ?? '';
  return { statement, claims: claimsOf<DecisionClaims>(statement) };
}

async function approved(): Promise<{ requestId: RequestId; tokenId: string; statement: string; claims: DecisionClaims }> {
  const requestId = await ask1(wish());
  const { tokenId } = await untilStatus(requestId, 'issued');
  return { requestId, tokenId: tokenId as string, ...await decisionOn(requestId) };
}

function approvalOf({ requestId, requestDigest, policyDigest, grant, require }: DecisionClaims, statement: string, more: Partial<RequestApproved> = {}): RequestApproved {
  return { requestId, requestDigest, policyDigest: policyDigest as Digest, code: 'approved', because: [], grant: grant as Grant, require, statement, votes: [], ...more };
}

/** What the log holds of a token for this request, once it has heard of the marker's: what came before that has been heard too. */
async function issuedFor(requestId: RequestId, marker: RequestId): Promise<unknown[]> {
  const of = async (id: RequestId) => (await entriesOf({ type: 'token.issued' })).filter((entry) => (entry as { requestId?: string }).requestId === id);
  await until('the log to hold the marker', async () => (await of(marker)).length > 0);
  return of(requestId);
}

const setAside = () => entriesOf({ type: 'audit.rejected' });

/** A service set the message aside, the log says for what, and there is no token. */
async function isTurnedAway({ requestId, before }: { requestId: string; before: Set<number> }, code: RegExp): Promise<void> {
  await until(`the log to say ${code}`, async () => (await setAside()).find((each) => !before.has(each.index) && code.test(JSON.stringify(each))));
  expect((await statusOf(requestId)).tokenId).toBeUndefined();
}

const grantOfHeld: Grant = { scopes: ['orders:write'], ttlSeconds: 3600 };

describe('an approval by the stolen broker credentials of policy', () => {
  const forge = async (make: (claims: DecisionClaims, statement: string) => Promise<RequestApproved> | RequestApproved) => {
    const requestId = await held();
    const { claims, statement } = await decisionOn(requestId);
    const data = await make(claims, statement);
    const before = new Set((await setAside()).map(({ index }) => index));
    await thiefOf('policy').says('policy', { type: 'request.approved', data });
    return { requestId, before };
  };
  const yes = (claims: DecisionClaims): DecisionClaims => ({ ...claims, iat: seconds(), exp: seconds() + 600, outcome: 'approve', grant: grantOfHeld, require: [] });

  it('of another request is refused (G1)', async () => {
    const other = await approved();
    await isTurnedAway(await forge((claims) => approvalOf(claims, other.statement, { grant: other.claims.grant as Grant, require: [] })), /approval-for-another-request/);
  });

  it('whose signed decision holds the request is refused (G1)', async () => {
    await isTurnedAway(await forge((claims, statement) => approvalOf(claims, statement, { grant: grantOfHeld, require: [] })), /not-approved/);
  });

  it('signed by a key that nobody trusts is refused (G1)', async () => {
    await isTurnedAway(await forge((claims) => approvalOf(yes(claims), signStatement(selfMadeKey(), 'decision', yes(claims)))), /statement-unknown-key/);
  });

  it('signed by another key under the name of the trusted one is refused (G1)', async () => {
    await isTurnedAway(await forge((claims) => approvalOf(yes(claims), signStatement(selfMadeKey(stolenKey('policy').kid), 'decision', yes(claims)))), /statement-bad-signature/);
  });

  it.each(['request', 'monitor'] as const)('signed by the stolen key of %s is refused: it is trusted for other things (G1)', async (service) => {
    await isTurnedAway(await forge((claims) => approvalOf(yes(claims), signStatement(stolenKey(service), 'decision', yes(claims)))), /statement-wrong-purpose/);
  });

  it('with the signature of a vote in place of a decision is refused (G1)', async () => {
    await isTurnedAway(await forge((claims) => approvalOf(yes(claims), signStatement(stolenKey('policy'), 'vote', yes(claims)))), /statement-wrong-purpose/);
  });

  it('uses nothing up: what the people decide is issued all the same (G1, G2)', async () => {
    const forged = await forge((claims) => approvalOf(yes(claims), signStatement(selfMadeKey(), 'decision', yes(claims))));
    await isTurnedAway(forged, /statement-unknown-key/);
    for (const part of ['reviewer', 'reviewer2']) await as(part).policy.post(`/v1/reviews/${forged.requestId}/votes`, { body: { vote: 'approve', reason: 'known job' } });
    await untilStatus(forged.requestId, 'issued');
  });

  it('for a request that was used up is nothing: one request has one token, of what was granted (G1)', async () => {
    const { requestId, tokenId, statement, claims } = await approved();
    await thiefOf('policy').says('policy', { type: 'request.approved', data: approvalOf(claims, statement) });
    await thiefOf('policy').says('policy', { type: 'request.approved', data: approvalOf(claims, statement, { grant: { scopes: ['orders:read', 'orders:write'] } }) });
    const marker = await approved();
    expect(marker.tokenId).not.toBe(tokenId);
    expect(await statusOf(requestId)).toMatchObject({ tokenId });
    expect(await issuedFor(requestId, marker.requestId)).toHaveLength(1);
    expect((await as('requester').issuer.get<{ scopes: string[] }>(`/v1/tokens/${tokenId}`)).scopes).toEqual(['orders:read']);
  });

  it('for a request that never was yields nothing', async () => {
    const { statement, claims } = await approved();
    const requestId = makeId('req', Date.now(), Buffer.alloc(10, 7));
    await thiefOf('policy').says('policy', { type: 'request.approved', data: approvalOf({ ...claims, requestId }, statement) });
    const marker = await approved();
    expect(await issuedFor(requestId, marker.requestId)).toEqual([]);
  });
});

describe('a message that breaks its contract', () => {
  /** The log has an entry of its own for what was turned away. */
  const isAlarmed = async (type: 'audit.rejected' | 'audit.conflict', code: RegExp, id: string) => {
    const entry = await until('the alarm', async () => (await entriesOf({ type })).find((each) => JSON.stringify(each).includes(id)));
    expect(JSON.stringify(entry)).toMatch(code);
  };

  it('in another service’s name is parked and alarmed', async () => {
    const id = await thiefOf('policy').says('issuer', { type: 'request.lapsed', data: { requestId: makeId('req', Date.now(), Buffer.alloc(10)), requestDigest: `sha256:${'0'.repeat(64)}`, lapsedAt: new Date().toISOString() } });
    await isAlarmed('audit.rejected', /forged-event/, id);
  });

  it('of one type under another’s routing key is parked and alarmed', async () => {
    const id = await thiefOf('policy').says('policy', { type: 'request.denied', data: { tokenId: 'tok_x' }, more: { type: 'writ.token.resumed' } });
    await isAlarmed('audit.rejected', /forged-event/, id);
  });

  it('with a known id and another body is parked and alarmed', async () => {
    const requestId = await held();
    const { claims: { requestDigest } } = await decisionOn(requestId);
    const lapse = { requestId, requestDigest, lapsedAt: new Date().toISOString() };
    const id = await thiefOf('policy').says('policy', { type: 'request.lapsed', data: lapse });
    await thiefOf('policy').says('policy', { type: 'request.lapsed', data: { ...lapse, lapsedAt: new Date(0).toISOString() }, more: { id } });
    await isAlarmed('audit.conflict', /id-reused/, id);
  });
});

describe('a forged word about a living token changes nothing', () => {
  let tokenId: TokenId;
  let secret: string;
  beforeAll(async () => {
    const fresh = await freshToken();
    [tokenId, secret] = [fresh.tokenId as TokenId, fresh.secret];
  });
  afterEach(async () => {
    await approved(); // What was published before has been heard by now.
    expect((await verify(secret)).code).toBe('VALID');
  });

  const proposal = (): ProposalClaims => ({ iat: seconds(), exp: seconds() + 600, alertId: newId('alr') as ProposalClaims['alertId'], tokenId, action: 'revoke' });
  const misuse = (claims: ProposalClaims, statement: string) => thiefOf('monitor').says('monitor', {
    type: 'misuse.detected', data: { alertId: claims.alertId, tokenId, detector: 'new-network', action: 'revoke', explanation: 'forged', observedAt: new Date().toISOString(), statement },
  });

  it('misuse, signed by a key that nobody trusts or the stolen key of policy', async () => {
    for (const key of [selfMadeKey(), stolenKey('policy')]) {
      const claims = proposal();
      await misuse(claims, signStatement(key, 'proposal', claims));
    }
  });

  it('a leak, signed likewise, or for another secret', async () => {
    const report = { iat: seconds(), reportId: newId('rep') as LeakClaims['reportId'], innerDigest: innerDigest(secret).toString('base64url') };
    const other = { ...report, innerDigest: Buffer.alloc(32).toString('base64url') };
    for (const statement of [signStatement(selfMadeKey(), 'leak', report), signStatement(stolenKey('request'), 'leak', report), signStatement(stolenKey('monitor'), 'leak', other)]) {
      await thiefOf('monitor').says('monitor', { type: 'leak.reported', data: { reportId: report.reportId, innerDigest: report.innerDigest, channel: 'other', reportedAt: new Date().toISOString(), statement } });
    }
  });

  it('an emergency rotation, unsigned, signed likewise, or for another token', async () => {
    const order = { tokenId, rotationId: newId('rot') as RotationId, cause: 'emergency' as const, deadlineAt: new Date().toISOString(), claimBefore: new Date(Date.now() + 60_000).toISOString() };
    const claims = { iat: seconds(), ...order };
    const elsewhere = signStatement(stolenKey('rotation'), 'rotation', { ...claims, tokenId: makeId('tok', Date.now(), Buffer.alloc(10)) });
    for (const statement of [undefined, signStatement(selfMadeKey(), 'rotation', claims), signStatement(stolenKey('monitor'), 'rotation', claims), elsewhere]) {
      await thiefOf('rotation').says('rotation', { type: 'rotation.due', data: { ...order, statement } });
    }
  });

  it('its end, said by whoever robbed the issuer: rows decide, not messages', async () => {
    await thiefOf('issuer').says('issuer', { type: 'token.expired', data: { tokenId, by: { kind: 'issuer' }, code: 'expired', seq: 1 }, more: { aggregateversion: 99 } });
  });
});

it('a revoked token stays so, whatever the issuer’s stolen broker credentials say (G4)', async () => {
  const { tokenId, secret } = await freshToken();
  await as('requester').issuer.post(`/v1/tokens/${tokenId}/revoke`, { body: { reason: 'over' }, query: { wait: 'fleet' } });
  await thiefOf('issuer').says('issuer', { type: 'token.resumed', data: { tokenId, by: { kind: 'person' }, code: 'resumed', seq: 1 }, more: { aggregateversion: 99 } });
  await approved();
  expect((await verify(secret)).code).toBe('REVOKED');
});

it('an activation that was never signed, or was signed for another set, does not move the pointer (G9)', async () => {
  const pointer = () => as('admin').policy.get<{ digest: Digest; activation: number; statement: string }>('/v1/policy-sets/active');
  const before = await pointer();
  const policyDigest = `sha256:${'1'.repeat(64)}` as Digest;
  const claims: PolicySetClaims = { iat: seconds(), policyDigest, activation: before.activation + 1 };
  for (const statement of [before.statement, signStatement(selfMadeKey(), 'policy-set', claims), signStatement(stolenKey('request'), 'policy-set', claims)]) {
    await thiefOf('policy').says('policy', { type: 'policy.activated', data: { policyDigest, activation: claims.activation, loosened: false, by: { iss: need('WRIT_OIDC_ISSUER'), sub: 'dev-admin' }, statement } });
  }
  const issued = await approved();
  expect(await pointer()).toEqual(before);
  expect(issued.claims.policyDigest).toBe(before.digest);
  await until('the issuer to count what it does not believe', async () => /writ_inbox_waiting\{[^}]*\} [1-9]|writ_parked\{[^}]*\} [1-9]/.test((await ask(`${urls.issuer}/metrics`)).text));
});
