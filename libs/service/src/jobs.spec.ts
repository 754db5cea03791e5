import { pauseMs } from './jobs.js';

describe('the pause between two rounds of a job', () => {
  it('is what was asked for, however long', () => {
    expect([50, 60_000, 3_600_000].map((everyMs) => pauseMs(everyMs, 0))).toEqual([50, 60_000, 3_600_000]);
  });

  it('grows with failures, up to half a minute', () => {
    expect([1, 2, 3, 20].map((failures) => pauseMs(1_000, failures))).toEqual([2_000, 4_000, 8_000, 30_000]);
    expect(pauseMs(3_600_000, 1)).toBe(30_000);
  });
});
