import { jest } from '@jest/globals';

it('accepting a log sends no password in plain text to another machine', async () => {
  const said = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
  process.env.WRIT_DATABASE_URL = 'postgres://writ:hunter2@db.invalid/writ';
  await import('./accept-log.job.js');
  const text = said.mock.calls.join();
  expect([process.exitCode, text]).toEqual([1, expect.stringContaining('WRIT_DATABASE_URL would send secrets in plain text to another machine')]);
  expect(text).not.toContain('hunter2');
  process.exitCode = 0;
});
