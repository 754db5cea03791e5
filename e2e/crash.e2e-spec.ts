import { entriesOf, processes, until, Upstream, wish } from './platform.js';

/** `WRIT_SOAK_ROUNDS` repeats each kill so often; npm run test:soak sets it. */
const rounds = Number(process.env.WRIT_SOAK_ROUNDS ?? 1);
const requests = Number(process.env.WRIT_CRASH_REQUESTS ?? 1_000);

let upstream: Upstream;
beforeAll(async () => {
  upstream = await Upstream.connect();
});
afterAll(() => upstream.close());

const kill = (name: string, signal: NodeJS.Signals) => {
  const found = processes().find((one) => one.name === name);
  if (found) process.kill(found.pid, signal);
};

/** Runs the requests through while something happens to a service, and answers what came of them. */
async function run(label: string, disturb: () => void | Promise<void>): Promise<void> {
  const from = new Date().toISOString();
  const ids = Array.from({ length: requests }, (_, i) => `${label}-${from}-${i}`);
  const wanted = new Set(ids);
  const half = Math.floor(requests / 2);
  for (let i = 0; i < ids.length; i += 100) {
    await Promise.all(ids.slice(i, i + 100).map((id) => upstream.submit(upstream.envelope(wish(), { id }))));
    if (i <= half && i + 100 > half) await disturb();
  }
  const issued = await until('every request to have its outcome', () => {
    const found = upstream.ofType('token.issued').filter(({ data }) => wanted.has(String(data.submissionId)));
    return new Set(found.map(({ data }) => data.submissionId)).size === requests && found;
  }, 90_000);
  // The broker may deliver an outcome twice, as the same event; a second token for a request would be another event.
  expect(new Set(issued.map(({ id }) => id)).size).toBe(requests);
  expect(new Set(issued.map(({ data }) => data.tokenId)).size).toBe(requests);
  const mine = new Set(issued.map(({ data }) => data.tokenId as string));
  const leaves = await until('one leaf for each token', async () => {
    // The audit service itself may be the one that is down just now.
    const entries = await entriesOf({ type: 'token.issued', from }).catch(() => []);
    const found = entries.filter(({ tokenId }) => mine.has(tokenId ?? ''));
    return found.length >= requests && found;
  }, 60_000);
  expect(leaves.length).toBe(requests);
  expect(new Set(leaves.map(({ tokenId }) => tokenId)).size).toBe(requests);
}

describe('a thousand requests', () => {
  for (const service of ['request', 'policy', 'issuer', 'rotation', 'audit', 'monitor']) {
    it(`have one outcome, one token and one leaf each although ${service} is killed with -9 on the way (G2, G8)`, async () => {
      for (let round = 0; round < rounds; round++) {
        await run(`kill-${service}-${round}`, () => {
          // Both replicas, one right after the other: nobody is left to take over until they are started again.
          kill(service, 'SIGKILL');
          kill(`${service}-2`, 'SIGKILL');
        });
      }
    }, 180_000 * rounds);
  }

  it('lose and repeat nothing while every service is restarted one after the other (G2)', async () => {
    await run('rolling', async () => {
      for (const service of ['request', 'policy', 'issuer', 'rotation', 'audit', 'monitor']) kill(`${service}-2`, 'SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    });
  }, 180_000);
});
