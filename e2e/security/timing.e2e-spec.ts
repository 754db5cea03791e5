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

/** One knock at a door: how many milliseconds its answer took. */
type Door = () => Promise<number> | number;

async function differenceOf(one: Door, other: Door, knocks: number): Promise<number> {
  const times: [number[], number[]] = [[], []];
  for (let i = 0; i < knocks; i += 1) {
    const order = Math.random() < 0.5 ? [0, 1] as const : [1, 0] as const;
    for (const which of order) times[which].push(await (which === 0 ? one : other)());
  }
  return Math.abs(welch(...times));
}

async function isTold(one: Door, other: Door, knocks = 250): Promise<boolean> {
  for (let round = 0; round < 3; round += 1) if (await differenceOf(one, other, knocks) < farBeyondChance) return false;
  return true;
}

const knock = (name: string) => () => ask(`${urls.issuer}/v1/tokens/verify`, { method: 'POST', authorization: basic(name, crypto.randomUUID()), body: { token: 'x' } });
const door = (name: string): Door => () => millisecondsOf(knock(name));

it('a wrong secret takes as long for a gateway that is known as for one that is not (G10)', async () => {
  expect((await knock(need('WRIT_GATEWAY_CLIENT_ID'))()).status).toBe(401);
  expect(await isTold(door(need('WRIT_GATEWAY_CLIENT_ID')), door(need('WRIT_GATEWAY_CLIENT_ID').replace(/.$/, '~')))).toBe(false);
}, 120_000);

it('would be told by a difference of three milliseconds among waits as long as those of a busy machine', async () => {
  const busy = (more: number): Door => () => 2 + more - 3 * Math.log(1 - Math.random());
  expect(await isTold(busy(3), busy(0))).toBe(true);
  expect(await isTold(busy(0), busy(0))).toBe(false);
});
