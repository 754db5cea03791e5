import { longestWaitMs, shownHead, waitedFor, type Witnessed } from './shown.js';

const head = (size: number) => ({ size, root: Buffer.alloc(32, size), note: `note ${size}` });

describe('the checkpoint that strangers are shown of a log with witnesses', () => {
  it('is the last that they cosigned, however many came since, while they go on cosigning', () => {
    let witnessed: Witnessed = {};
    for (let second = 1; second <= 300; second++) {
      const cosigned = second < 10 ? undefined : head(Math.floor(second / 10) * 10);
      witnessed = waitedFor(witnessed, cosigned, second, second * 1_000);
      if (cosigned) expect(shownHead(head(second), witnessed, 'open', second * 1_000)).toBe(cosigned);
    }
  });

  it('is the newest after a minute without them where the log fails open, and never where it fails closed', () => {
    const silent = waitedFor({ head: head(5) }, head(5), 6, 0);
    for (const [mode, at, size] of [['open', longestWaitMs - 1, 5], ['open', longestWaitMs, 6], ['closed', longestWaitMs, 5]] as const) {
      expect(shownHead(head(6), waitedFor(silent, head(5), 6, at), mode, at)?.size).toBe(size);
    }
    expect(shownHead(head(6), {}, 'closed', 0)).toBeUndefined();
    expect(shownHead(head(6), {}, 'open', 0)?.size).toBe(6);
  });

  it('waits anew for a checkpoint that follows a quiet time', () => {
    const quiet = waitedFor({ head: head(5) }, head(5), 5, 0);
    const after = waitedFor(quiet, head(5), 6, 500_000);
    expect(shownHead(head(6), after, 'open', 500_001)?.size).toBe(5);
  });
});
