import { exitCodeOf } from './test.mjs';

it.each([[3, 0, 0], [3, 1, 1], [0, 1, 1], [0, 0, 1]])('a run of %d passed and %d failed tests ends with %d: one that tested nothing is no success', (passed, failed, code) => {
  expect(exitCodeOf({ passed, failed })).toBe(code);
});
