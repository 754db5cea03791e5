import fc from 'fast-check';
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

it('judges every file that has the outline of a bundle, whatever stands in it, and proves none that was changed (G8)', async () => {
  const good = JSON.stringify((await bundleCases()).find(({ says }) => says === undefined)!.bundle);
  const places: (string | number)[][] = [];
  const walk = (value: unknown, path: (string | number)[]): void => {
    // A field that is not shown at all leaves the rest proven.
    if (path.length > 1 && path.at(-1) !== 'disclosures') places.push(path);
    if (typeof value === 'object' && value !== null) for (const [name, inner] of Object.entries(value)) walk(inner, [...path, Array.isArray(value) ? Number(name) : name]);
  };
  walk(JSON.parse(good), []);
  const changed = (path: (string | number)[], put: unknown): string => {
    const bundle = JSON.parse(good) as object;
    const at = path.slice(0, -1).reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], bundle) as Record<string | number, unknown>;
    at[path.at(-1)!] = put;
    return JSON.stringify(bundle);
  };
  fc.assert(fc.property(fc.constantFrom(...places), fc.oneof(fc.jsonValue(), fc.string(), fc.double(), fc.constant(null)), (path, put) => {
    const text = changed(path, put);
    const { findings } = checkBundle(JSON.parse(text), policy);
    if (text !== good) expect([path, put, findings.length > 0]).toEqual([path, put, true]);
  }), { numRuns: 500 });
});
