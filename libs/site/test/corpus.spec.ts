import { checkBundle, checkLog, staleness } from '@writ/site';
import { parsePolicy } from '@writ/tlog';
import { logKey } from '../../tlog/test/memory-log.js';
import { bundleCases, logCases, startMs } from './corpus.js';

const policy = parsePolicy(`log ${logKey.verifier}\nquorum none\n`);

it.each(await bundleCases())('judges the bundle $name (G8)', ({ bundle, says }) => {
  const { findings } = checkBundle(bundle, policy);
  if (says) expect(findings.join('\n')).toMatch(says);
  else expect(findings).toEqual([]);
});

it.each(logCases())('judges the log $name (G8)', async ({ log, verdict, says }) => {
  const { findings, omissions, recordedMs } = await checkLog(log.source, { policy });
  expect(findings.length > 0 ? 'not intact' : omissions.length > 0 ? 'incomplete' : 'intact').toBe(verdict);
  if (says) expect([...findings, ...omissions].map(({ detail }) => detail).join('\n')).toMatch(says);
  expect(recordedMs).toBeGreaterThan(startMs);
});

it('says how far a bundle is complete, where sealed heads show it', async () => {
  const [whole, open] = await bundleCases();
  expect([checkBundle(whole!.bundle, policy).completeUpTo, checkBundle(open!.bundle, policy).completeUpTo]).toEqual([9, undefined]);
});

it('calls a log old whose newest entry, or whose youngest cosignature, is two intervals old', () => {
  const nowMs = startMs + 200_000;
  expect(staleness({ recordedMs: nowMs - 119_000 }, nowMs)).toBeUndefined();
  expect(staleness({ recordedMs: nowMs - 121_000 }, nowMs)).toBe('the newest entry is of 2026-01-01T00:01:19.000Z');
  expect(staleness({ recordedMs: nowMs, cosignedMs: [nowMs - 121_000, nowMs - 1_000] }, nowMs)).toBeUndefined();
  expect(staleness({ recordedMs: nowMs, cosignedMs: [nowMs - 121_000, nowMs - 150_000] }, nowMs)).toBe('the youngest cosignature is of 2026-01-01T00:01:19.000Z');
  expect(staleness({}, nowMs)).toBeUndefined();
});
