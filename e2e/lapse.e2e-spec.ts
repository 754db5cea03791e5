import type { RequestAnswer } from '@writ/contracts';
import { as, untilStatus, Upstream, wish } from './platform.js';
import { activate, sample, sampleWith } from './policy-sets.js';

let upstream: Upstream;
beforeAll(async () => {
  upstream = await Upstream.connect();
});
afterAll(async () => {
  await activate(sample);
  await upstream.close();
});

describe('a held request that nobody decides', () => {
  it('lapses after the time its rule gives, is said so, and yields no token (G2)', async () => {
    const hasty = sampleWith({ '@sla("PT4H")': '@sla("PT3S")' });
    expect(hasty).not.toEqual(sample);
    await activate(hasty);
    const envelope = upstream.envelope(wish({ scopes: ['orders:write'], environment: 'prod', ttl: 'PT8H' }));
    await upstream.submit(envelope);
    const held = await upstream.outcome('request.held', ({ submissionId }) => submissionId === envelope.id);
    const lapsed = await upstream.outcome('request.lapsed', ({ submissionId }) => submissionId === envelope.id);
    expect(lapsed.data.requestId).toBe(held.data.requestId);
    expect((await untilStatus(held.data.requestId as string, 'lapsed')).tokenId).toBeUndefined();
    const late = as('reviewer').policy.post(`/v1/reviews/${held.data.requestId as string}/votes`, { body: { vote: 'approve', reason: 'too late' } });
    await expect(late).rejects.toMatchObject({ status: 409 });
    const again = await as('requester').request.post<RequestAnswer>('/v1/requests', { body: wish() });
    await untilStatus(again.requestId, 'issued');
  });
});
