import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { ActivationAnswer, PolicyCheck, RequestAnswer } from '@writ/contracts';
import { as, untilStatus, Upstream, wish } from './platform.js';

const folder = new URL('../policies/sample', import.meta.url).pathname;
const sample = Object.fromEntries(readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name)).map((file) => [relative(folder, file), readFileSync(file, 'utf8')]));

/** Uploads a set and activates it, by a second person where it loosens anything. */
async function activate(files: Record<string, string>): Promise<void> {
  const { digest } = await as('admin').policy.post<PolicyCheck>('/v1/policy-sets', { body: { files } });
  for (const part of ['admin', 'admin2']) {
    const answer = await as(part).policy.post<ActivationAnswer>(`/v1/policy-sets/${encodeURIComponent(digest)}/activate`);
    if (answer.state === 'active') return;
  }
  throw new Error('Two people were not enough.');
}

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
    const hasty = Object.fromEntries(Object.entries(sample).map(([path, text]) => [path, text.replaceAll('@sla("PT4H")', '@sla("PT3S")')]));
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
