import { setImmediate as othersTurn } from 'node:timers/promises';
import { inSlices } from './unhurried.js';

function busy(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

describe('work in slices', () => {
  it('lets others have their turn in between, and answers all together and each for itself', async () => {
    const seen: string[] = [];
    const work = inSlices((n: number) => {
      busy(2);
      seen.push(`${n}`);
      if (n === 5) throw new RangeError('no fives');
      return n * 2;
    });
    let waiting = true;
    const other = (async () => {
      while (waiting) {
        await othersTurn();
        seen.push('other');
      }
    })();
    const answers: number[] = [];
    const results = await Promise.allSettled(Array.from({ length: 10 }, async (_, n) => {
      answers.push(await work(n));
      return answers.length;
    }));
    waiting = false;
    await other;
    expect(results.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, (_, n) => (n === 5 ? 'rejected' : 'fulfilled')));
    expect(answers.sort((a, b) => a - b)).toEqual([0, 2, 4, 6, 8, 12, 14, 16, 18]);
    expect(seen.slice(seen.indexOf('0'), seen.indexOf('9')).filter((who) => who === 'other').length).toBeGreaterThan(1);
  });

  it('is done for all that asked before any of them goes on', async () => {
    let done = 0;
    const work = inSlices(() => {
      busy(1);
      return (done += 1);
    });
    const after = await Promise.all(Array.from({ length: 20 }, async () => {
      await work(0);
      return done;
    }));
    expect(after).toEqual(after.map(() => 20));
  });
});
