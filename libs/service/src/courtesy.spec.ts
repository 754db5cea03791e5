import { setTimeout as sleep } from 'node:timers/promises';
import { Courtesy, nextRestMs } from './courtesy.js';

const after = (pieces: number, lateMs: number, from = 0) => Array.from({ length: pieces }).reduce<number>((restMs) => nextRestMs(restMs, lateMs), from);

describe('work that can wait', () => {
  it('does not rest while nobody is held up', () => {
    expect(after(100, 2)).toBe(0);
  });

  it('rests longer and longer while others wait for their turn, yet never so long that it would not end', () => {
    expect(after(1, 20)).toBeGreaterThan(0);
    expect(after(3, 20)).toBeGreaterThan(after(2, 20));
    expect(after(1_000, 20)).toBe(250);
  });

  it('takes up its pace again when they do not', () => {
    expect(after(1, 2, 250)).toBeLessThan(250);
    expect(after(30, 2, 250)).toBe(0);
  });

  it('is measured by the turns that came late while it was done', async () => {
    const courtesy = new Courtesy();
    const restAfter = async (busyMs: number): Promise<number> => {
      let doneAt = 0;
      await courtesy.piece(async () => {
        for (let i = 0; i < 10; i++) {
          for (const end = performance.now() + busyMs; performance.now() < end;);
          await sleep(1);
        }
        doneAt = performance.now();
      });
      return performance.now() - doneAt;
    };
    for (let i = 0; i < 3; i++) await restAfter(40);
    expect(await restAfter(40)).toBeGreaterThan(25);
  });
});
