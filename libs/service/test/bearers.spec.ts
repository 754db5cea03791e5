import { jest } from '@jest/globals';
import { Bearers, Clock, type ServiceConfig } from '@writ/service';
import { TestIdentity } from '@writ/testing';

const hourMs = 3_600_000;
const config = (oidcIssuer: string) => ({
  oidcIssuer, oidcAudience: 'urn:writ:api', oidcGroupsClaim: 'groups', oidcTeamClaim: 'team', oidcClientClaim: 'client_id', roleGroups: {},
}) as ServiceConfig;

let identity: TestIdentity;
let bearers: Bearers;
beforeEach(async () => {
  identity = await TestIdentity.start();
  bearers = new Bearers(config(identity.issuer), new Clock());
});
afterEach(async () => {
  jest.restoreAllMocks();
  await identity.stop();
});

const outcome = (token: string) => bearers.authenticate(token).then(({ sub }) => sub, ({ facts }: { facts: { status: number } }) => facts.status);
const { now } = Date;
const inMs = (ms: number) => jest.spyOn(Date, 'now').mockImplementation(() => now() + ms);

describe('a bearer token while the identity provider is away', () => {
  it('is never called invalid: without keys the caller hears "later"', async () => {
    const token = await identity.token({ sub: 'alice' });
    identity.answer = () => ({ status: 502, body: {} });
    expect(await outcome(token)).toBe(503);
    identity.answer = (path) => (path === '/jwks' ? { status: 502, body: { error: 'bad gateway' } } : undefined);
    expect(await outcome(token)).toBe(503);
    identity.answer = undefined;
    bearers = new Bearers(config(identity.issuer), new Clock());
    expect(await outcome(token)).toBe('alice');
  });

  it('is checked by the last keys for an hour, a false one as ever', async () => {
    const token = await identity.token({ sub: 'alice', expiresIn: '1d' });
    const foreign = await TestIdentity.start();
    const other = await foreign.token({ sub: 'mallory' });
    await foreign.stop();
    expect(await outcome(token)).toBe('alice');
    await identity.stop();
    inMs(hourMs / 2);
    expect(await outcome(token)).toBe('alice');
    expect(await outcome(other)).toBe(401);
    expect(await outcome('a.b.c')).toBe(401);
    inMs(1.5 * hourMs);
    expect(await outcome(token)).toBe(503);
  });
});
