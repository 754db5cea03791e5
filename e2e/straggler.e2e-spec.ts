import { setTimeout as sleep } from 'node:timers/promises';
import type { RotationAnswer } from '@writ/contracts';
import { as, entriesOf, freshToken, until, verify } from './platform.js';
import { activate, sample, sampleWith } from './policy-sets.js';

/** The sample policy, where an old secret lives eight seconds from the first use of the new one. */
const hurriedPolicy = sampleWith({ '@rotate("P30D")': '@rotate("PT2M")', 'rotate: P30D }': 'rotate: PT2M }', '@grace("P1D")': '@grace("PT8S")' });
const requester = as('requester');

/** One of several places where the same token is used. */
class Consumer {
  readonly codes: string[] = [];
  private isRunning = true;
  private readonly running: Promise<void>;

  constructor(readonly n: number, public secret: string) {
    this.running = this.run();
  }

  stop(): Promise<void> {
    this.isRunning = false;
    return this.running;
  }

  private async run(): Promise<void> {
    for (; this.isRunning; await sleep(200)) {
      this.codes.push((await verify(this.secret, ['orders:read'], { agent: `consumer${this.n}/1.0`, address: `10.1.${this.n}.7` })).code);
    }
  }
}

beforeAll(() => activate(hurriedPolicy));
afterAll(() => activate(sample));

it('"fifty minutes of mixed versions without a signal" (paperclip#11146): of five consumers the one that keeps the old secret is named, and the switch completes by itself (G7)', async () => {
  const { tokenId, secret } = await freshToken();
  const consumers = [1, 2, 3, 4, 5].map((n) => new Consumer(n, secret));
  const straggler = consumers[4] as Consumer;
  const { rotationId } = await until('the rotation to begin', () => requester.rotation.post<RotationAnswer>(`/v1/tokens/${tokenId}/rotate`, { body: {} }).catch(() => undefined));
  const rotation = () => requester.rotation.get<RotationAnswer>(`/v1/rotations/${rotationId}`);
  await until('the successor', async () => (await rotation()).state === 'claimable');
  const claimed = await requester.issuer.post<{ secret: string }>(`/v1/tokens/${tokenId}/claim`, { body: { rotationId } });
  for (const consumer of consumers) if (consumer !== straggler) consumer.secret = claimed.secret;
  const blocked = await until('the straggler to be named', async () => {
    const answer = await rotation();
    return answer.blocked && answer.stragglers.some(({ agent }) => agent === 'consumer5') && answer;
  });
  // On a busy machine the others may have been late themselves, and are named beside it for a moment.
  expect(blocked.stragglers).toContainEqual(expect.objectContaining({ agent: 'consumer5', network: '10.1.5.0/24', lastSeenAt: expect.any(String) }));
  expect(new Set(straggler.codes)).toEqual(new Set(['VALID']));
  await until('the rotation to be completed', async () => (await rotation()).state === 'completed');
  await until('the straggler to be refused', () => straggler.codes.at(-1) !== 'VALID');
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  expect(consumers.filter((consumer) => consumer !== straggler).flatMap(({ codes }) => codes).filter((code) => code !== 'VALID')).toEqual([]);
  expect(straggler.codes.filter((code) => code === 'VALID').length).toBeGreaterThan(20);
  await until('the log to tell of it', async () => (await entriesOf({ token: tokenId })).some(({ type }) => type === 'rotation.blocked'));
}, 60_000);
