import type { Service } from '@writ/service';
import { until } from '@writ/testing';
import { Issuing } from './issuing.js';

let issuing: Issuing;
let issuer: Service;
beforeAll(async () => {
  issuing = await Issuing.create();
  issuer = await issuing.start();
});
afterAll(() => issuing?.drop());

const sql = (text: string, values: unknown[] = []) => issuing.bench.database('issuer').query<Record<string, unknown>>(text, values);
const basic = (clientId: string, secret: string) => ({ authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}` });
const renew = async (name: string, body: object, groups = ['admins']) => issuing.post(issuer, `/v1/gateways/${name}/secret`, body, await issuing.bearer('root', groups));
const statusOf = async (gateway: Record<string, string>) => (await issuing.post(issuer, '/v1/tokens/verify', { token: 'writ_dev_none' }, gateway)).status;
const renewed = async (name: string, body: object) => {
  const answer = await renew(name, body);
  expect(answer.status).toBe(200);
  return basic(name, String(answer.body.clientSecret));
};

describe('a gateway’s secret', () => {
  it('is renewed without a call refused: both work while instances change over, then the new one alone', async () => {
    const old = await issuing.registerGateway(issuer, 'moving', ['orders']);
    const statuses: number[] = [];
    let changedOver = false;
    const load = (async () => { while (!changedOver) statuses.push(await statusOf(old)); })();
    const fresh = await renewed('moving', { overlap: 'PT2S' });
    for (let i = 0; i < 20; i++) expect(await statusOf(fresh)).toBe(200);
    changedOver = true;
    await load;
    expect(new Set(statuses)).toEqual(new Set([200]));
    await until(async () => (await statusOf(old)) === 401, 'the end of the old one', 15_000);
    expect(await statusOf(fresh)).toBe(200);
  });

  it('that was stolen ends at once where no overlap is asked for, and with it the one before', async () => {
    const first = await issuing.registerGateway(issuer, 'robbed', ['orders']);
    const second = await renewed('robbed', { overlap: 'P1D' });
    const third = await renewed('robbed', {});
    expect(await statusOf(third)).toBe(200);
    expect([await statusOf(first), await statusOf(second)]).toEqual([401, 401]);
  });

  it('lives no longer because somebody moved its end in the table (G10)', async () => {
    const old = await issuing.registerGateway(issuer, 'edited', ['orders']);
    const fresh = await renewed('edited', { overlap: 'PT1S' });
    await sql(`UPDATE gateway SET previous_ends_at = now() + interval '1 year' WHERE client_id = 'edited'`);
    expect([await statusOf(old), await statusOf(fresh)]).toEqual([401, 401]);
  });

  it('is renewed by administrators alone, for gateways that exist, for a week at most', async () => {
    await issuing.registerGateway(issuer, 'kept', ['orders']);
    expect((await renew('kept', {}, ['reviewers'])).status).toBe(403);
    expect((await renew('nobody', {})).status).toBe(404);
    for (const overlap of ['P8D', 'PT0S', 'soon', 5]) expect((await renew('kept', { overlap })).status).toBe(400);
  });
});
