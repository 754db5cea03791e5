import { setTimeout as sleep } from 'node:timers/promises';
import { entriesOf, processes, until, Upstream, wish } from './platform.js';

/** `WRIT_SOAK_ROUNDS` repeats each kill so often; npm run test:soak sets it. */
const rounds = Number(process.env.WRIT_SOAK_ROUNDS ?? 1);
const requests = Number(process.env.WRIT_CRASH_REQUESTS ?? 1_000);
const services = ['request', 'policy', 'issuer', 'rotation', 'audit', 'monitor'];
/** What happens once to each of these requests, and so has one leaf each. */
const steps = ['request.submitted', 'request.approved', 'token.issued'];

let upstream: Upstream;
beforeAll(async () => {
  upstream = await Upstream.connect();
});
afterAll(() => upstream.close());

const find = (name: string) => processes().find((one) => one.name === name);
const send = (name: string, signal: NodeJS.Signals) => {
  const found = find(name);
  if (found) process.kill(found.pid, signal);
};

/** Runs the requests through while something happens, after this share of them was submitted, and looks at what came of them. */
async function run(label: string, share: number, disturb: () => unknown, pauseMs = 0): Promise<void> {
  // Each service reckons the database's time for itself, so one may be some milliseconds behind this clock.
  const from = new Date(Date.now() - 1_000).toISOString();
  const ids = Array.from({ length: requests }, (_, i) => `${label}-${from}-${i}`);
  const wanted = new Set(ids);
  const disturbAt = Math.floor(requests * share);
  let disturbance: unknown;
  for (let i = 0; i < ids.length; i += 100) {
    const publishing = Promise.all(ids.slice(i, i + 100).map((id) => upstream.submit(upstream.envelope(wish(), { id }))));
    if (i <= disturbAt && i + 100 > disturbAt) disturbance = disturb();
    await Promise.all([publishing, sleep(pauseMs)]);
  }
  await disturbance;
  const issued = await until('every request to have its outcome', () => {
    const found = upstream.ofType('token.issued').filter(({ data }) => wanted.has(String(data.submissionId)));
    return new Set(found.map(({ data }) => data.submissionId)).size === requests && found;
  }, 90_000);
  // The broker may deliver an outcome twice, as the same event; a second token for a request would be another event.
  expect(new Set(issued.map(({ id }) => id)).size).toBe(requests);
  expect(new Set(issued.map(({ data }) => data.tokenId)).size).toBe(requests);
  const mine = new Set(issued.map(({ data }) => data.requestId));
  for (const type of steps) expect([type, await leavesOf(type, from, mine)]).toEqual([type, mine.size]);
}

/** How many leaves of one type these requests have, once each of them has one. */
async function leavesOf(type: string, from: string, requestIds: Set<unknown>): Promise<number> {
  const leaves = await until(`a leaf ${type} for each request`, async () => {
    // The audit service itself may be the one that is down just now.
    const entries = await entriesOf({ type, from }).catch(() => []);
    const found = entries.filter(({ requestId }) => requestIds.has(requestId));
    if (new Set(found.map(({ requestId }) => requestId)).size === requestIds.size) return found;
    await sleep(500); // Reading a thousand entries over and over would take the time of those who write them.
    return false;
  }, 60_000);
  return leaves.length;
}

describe('a thousand requests', () => {
  it.each(services)('have one outcome, one token and one leaf of each step although %s is killed with -9 on the way (G2, G8)', async (service) => {
    for (let round = 0; round < rounds; round++) {
      // Any moment of the run: the first of them is as likely as the last.
      const share = Math.random();
      await run(`kill-${service}-${round}-at-${share.toFixed(3)}`, share, async () => {
        await sleep(Math.random() * 50);
        // Both replicas, one right after the other: nobody is left to take over until they are started again.
        send(service, 'SIGKILL');
        send(`${service}-2`, 'SIGKILL');
      });
    }
  }, 180_000 * rounds);

  it('lose and repeat nothing while every process of every service is restarted one after the other (G2)', async () => {
    const names = services.flatMap((service) => [service, `${service}-2`]);
    const restarted = async (name: string) => {
      const { pid } = await until(`${name} to run`, () => find(name));
      process.kill(pid, 'SIGTERM');
      await until(`${name} to be ready again`, async () => {
        const next = find(name);
        return next !== undefined && next.pid !== pid && (await fetch(`${next.url}/health/ready`).catch(() => undefined))?.ok;
      }, 60_000);
    };
    await run('rolling', 0.1, async () => {
      for (const name of names) await restarted(name);
    }, 2_000);
  }, 240_000);
});
