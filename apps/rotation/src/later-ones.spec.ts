import { laterOnes } from './later-ones.js';

describe('a rotation in a forecast', () => {
  it.each<[string, Parameters<typeof laterOnes>[0], [number, number][]]>([
    ['that comes once', { n: 2, count: 10, every: 3, more: 0 }, [[2, 1]]],
    ['is counted each time that it comes again', { n: 1, count: 10, every: 3, more: 9 }, [[1, 1], [4, 1], [7, 1]]],
    ['ends with its token', { n: 1, count: 10, every: 3, more: 1 }, [[1, 1], [4, 1]]],
    ['comes several times in a bucket', { n: 0, count: 3, every: 0.25, more: 1_000 }, [[0, 3], [1, 4], [2, 4]]],
    ['comes several times in a bucket, and ends', { n: 0, count: 3, every: 0.25, more: 5 }, [[0, 3], [1, 3]]],
    ['of a token that does not rotate by itself', { n: 4, count: 9, every: 0, more: 0 }, [[4, 1]]],
  ])('%s', (_what, rhythm, times) => {
    expect([...laterOnes(rhythm)]).toEqual(times);
  });
});
