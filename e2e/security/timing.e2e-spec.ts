import { basic } from '@writ/client';
import { need, urls } from '../platform.js';
import { ask } from './callers.js';

/**
 * Which of two doors was knocked at must not show in how long the answer took. The doors are knocked at in turn, in an order
 * that chance gives, so that whatever else the machine does falls on both. Only what is far beyond chance, three times in a
 * row, is called a difference: a shared machine is noisy, and this test must not be.
 */
const farBeyondChance = 8;

async function millisecondsOf(call: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await call();
  return performance.now() - began;
}

/** Welch's t of two samples, without their slowest tenth: those are the machine's. */
function welch(one: number[], other: number[]): number {
  const facts = [one, other].map((times) => {
    const kept = times.toSorted((a, b) => a - b).slice(0, Math.floor(times.length * 0.9));
    const mean = kept.reduce((sum, each) => sum + each, 0) / kept.length;
    const variance = kept.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (kept.length - 1);
    return { mean, error: variance / kept.length };
  }) as [{ mean: number; error: number }, { mean: number; error: number }];
  return (facts[0].mean - facts[1].mean) / Math.sqrt(facts[0].error + facts[1].error);
}

async function differenceOf(one: () => Promise<unknown>, other: () => Promise<unknown>, knocks: number): Promise<number> {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < knocks; i += 1) {
    const order = Math.random() < 0.5 ? [0, 1] as const : [1, 0] as const;
    for (const which of order) times[which].push(await millisecondsOf(which === 0 ? one : other));
  }
  return Math.abs(welch(...times));
}

async function isTold(one: () => Promise<unknown>, other: () => Promise<unknown>, knocks = 250): Promise<boolean> {
  for (let round = 0; round < 3; round += 1) if (await differenceOf(one, other, knocks) < farBeyondChance) return false;
  return true;
}

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const knock = (name: string) => () => ask(`${urls.issuer}/v1/tokens/verify`, { method: 'POST', authorization: basic(name, crypto.randomUUID()), body: { token: 'x' } });

it('a wrong secret takes as long for a gateway that is known as for one that is not (G10)', async () => {
  expect((await knock(need('WRIT_GATEWAY_CLIENT_ID'))()).status).toBe(401);
  expect(await isTold(knock(need('WRIT_GATEWAY_CLIENT_ID')), knock(need('WRIT_GATEWAY_CLIENT_ID').replace(/.$/, '~')))).toBe(false);
}, 120_000);

it('would be told by a difference of a few milliseconds', async () => {
  const unknown = knock('nobody');
  expect(await isTold(async () => { await wait(10); await unknown(); }, unknown, 40)).toBe(true);
}, 120_000);
