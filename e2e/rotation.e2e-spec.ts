import { setTimeout as sleep } from 'node:timers/promises';
import type { TokenView } from '@writ/contracts';
import { as, processes, until, urls } from './platform.js';
import { activate, sample } from './policy-sets.js';
import { restlessPolicy, RotatingClient } from './rotating-client.js';

/** `WRIT_SOAK_ROUNDS` repeats each kill so often, `WRIT_ROTATION_MINUTES` is how long nobody kills; npm run test:soak sets both. */
const rounds = Number(process.env.WRIT_SOAK_ROUNDS ?? 1);
const calmMinutes = Number(process.env.WRIT_ROTATION_MINUTES ?? 0);
const isSoak = process.env.WRIT_SOAK === '1';
const victims: ('issuer' | 'rotation')[][] = isSoak ? [['issuer'], ['rotation']] : [['issuer', 'rotation']];
const clientCount = isSoak ? 12 : 4;
const requester = as('requester');
type Step = 'due' | 'claimable' | 'delivered' | 'used' | 'between';
const targets = ['due', 'claimable', 'delivered'] as const;

let clients: RotatingClient[];
beforeAll(async () => {
  await activate(restlessPolicy);
  clients = await Promise.all(Array.from({ length: clientCount }, () => RotatingClient.start(50)));
});
afterAll(async () => {
  await Promise.all((clients ?? []).map((client) => client.stop()));
  await activate(sample);
});

const viewOf = ({ tokenId }: RotatingClient) => requester.issuer.get<TokenView>(`/v1/tokens/${tokenId}`);
const isSuccessor = ({ rotationId, state }: TokenView['generations'][number]) => rotationId !== undefined && (state === 'claimable' || state === 'delivered');

function stepOf({ generations }: TokenView): Step {
  const living = generations.filter(({ state }) => state !== 'retired');
  const newest = living.at(-1);
  if (newest?.state === 'claimable' || newest?.state === 'delivered') return newest.state;
  return living.length > 1 ? 'used' : 'between';
}

/** Begins a rotation, so that its short first steps are met too. @returns the steps that clients are in just now, as far as known */
async function begin(client: RotatingClient, target: (typeof targets)[number]): Promise<Step[]> {
  await until('the rotation before to end', async () => stepOf(await viewOf(client)) === 'between', 60_000);
  const steps = await Promise.all(clients.filter((each) => each !== client).map(async (each) => stepOf(await viewOf(each))));
  const asked = requester.rotation.post(`/v1/tokens/${client.tokenId}/rotate`, { body: {} }).catch(() => undefined);
  if (target === 'due') await sleep(Math.random() * 30);
  else await asked;
  return [...steps, target === 'due' ? 'due' : await until(`${target} or a later step`, async () => {
    const step = stepOf(await viewOf(client));
    return step !== 'between' && (step !== 'claimable' || target === 'claimable') && step;
  })];
}

/** Ends all replicas of services without a word, and returns when they are back. */
async function kill(names: readonly string[]): Promise<void> {
  const found = processes().filter(({ name }) => names.includes(name.replace(/-\d+$/, '')));
  for (const { pid } of found) process.kill(pid, 'SIGKILL');
  const old = new Set(found.map(({ pid }) => pid));
  await until('the services to be back', async () => {
    const now = processes().filter(({ name }) => names.includes(name.replace(/-\d+$/, '')));
    if (now.length < found.length || now.some(({ pid }) => old.has(pid))) return false;
    const ready = await Promise.all(names.map((name) => fetch(`${urls[name as 'issuer']}/health/ready`).then(({ ok }) => ok, () => false)));
    return ready.every(Boolean);
  }, 120_000);
}

/** Every client has picked up one more secret: what was under way ended, or it could not have begun. */
async function goOn(): Promise<void> {
  const wanted = clients.map(({ secrets }) => secrets + 1);
  await until('every rotation to be completed', () => clients.every(({ secrets, failed }, i) => failed.length > 0 || secrets >= wanted[i]!), 120_000);
}

describe('a client that rotates all the time', () => {
  it('goes on whichever service is killed with -9 at whichever step, with one successor at the most (G7, G2)', async () => {
    await until('the first secrets', () => clients.every(({ secrets }) => secrets > 0));
    const hits: Record<Step, number> = { due: 0, claimable: 0, delivered: 0, used: 0, between: 0 };
    let kills = 0;
    // A soak goes on until each step was met so often.
    for (; kills < rounds * victims.length || (isSoak && Object.values(hits).some((count) => count < rounds)); kills++) {
      await sleep(Math.random() * 1_000);
      const begun = clients[kills % clients.length] as RotatingClient;
      for (const step of await begin(begun, targets[kills % targets.length]!)) hits[step] += 1;
      await kill(victims[kills % victims.length]!);
      await goOn();
      const views = await Promise.all(clients.map(viewOf));
      expect(views.map(({ generations }) => generations.filter(isSuccessor).length).filter((count) => count > 1)).toEqual([]);
    }
    expect(clients.flatMap(({ failed }) => failed)).toEqual([]);
    const report = clients.reduce((sum, { calls, unanswered, secrets }) => ({ calls: sum.calls + calls, unanswered: sum.unanswered + unanswered, secrets: sum.secrets + secrets }), { calls: 0, unanswered: 0, secrets: 0 });
    if (isSoak) process.stderr.write(`  soak: killed ${kills} times; steps met ${JSON.stringify(hits)}; ${JSON.stringify(report)}\n`);
  }, 60_000 * rounds);

  it('loses no call while nobody kills anything (G7)', async () => {
    const before = clients.map(({ calls, unanswered, secrets }) => ({ calls, unanswered, secrets }));
    await sleep(Math.max(1_000, calmMinutes * 60_000));
    expect(clients.flatMap(({ failed }) => failed)).toEqual([]);
    expect(clients.map(({ unanswered }, i) => unanswered - before[i]!.unanswered).filter((count) => count > 0)).toEqual([]);
    const done = clients.map(({ calls, secrets }, i) => ({ calls: calls - before[i]!.calls, secrets: secrets - before[i]!.secrets }));
    if (isSoak) process.stderr.write(`  soak: ${calmMinutes} minutes: ${JSON.stringify(done)}\n`);
    expect(done.filter(({ calls, secrets }) => calls < 1 || secrets < calmMinutes * 8)).toEqual([]);
  }, 60_000 * (calmMinutes + 1));
});
