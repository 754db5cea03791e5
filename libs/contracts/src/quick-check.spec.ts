import { readFileSync } from 'node:fs';
import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { events, eventTypes, Submission } from './index.js';
import { quickCheck } from './quick-check.js';

const samples = JSON.parse(readFileSync(new URL('../samples/v1.json', import.meta.url), 'utf8')) as Record<string, Record<string, unknown>>;
const submission = { requester: { id: 'svc:a' }, reason: 'export', resource: 'orders', scopes: ['orders:read'], environment: 'dev', ttl: 'P1D', delivery: { mode: 'claim' } };
const subjects: [string, ClassConstructor<object>, Record<string, unknown>][] = [
  ...eventTypes.map((type): [string, ClassConstructor<object>, Record<string, unknown>] => [type, events[type] as unknown as ClassConstructor<object>, samples[type]!]),
  ['submission', Submission, submission],
];

const slowly = (type: ClassConstructor<object>, value: object, closed: boolean) =>
  validateSync(plainToInstance(type, value), { forbidUnknownValues: true, ...(closed ? { whitelist: true, forbidNonWhitelisted: true } : {}) }).length === 0;

/** Every place in a value, the value itself left out. */
function places(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return path.length > 0 ? [path] : [];
  return [...(path.length > 0 ? [path] : []), ...Object.entries(value).flatMap(([key, child]) => places(child, [...path, key]))];
}

function withChange(value: Record<string, unknown>, path: string[], change: (holder: Record<string, unknown>, key: string) => void): Record<string, unknown> {
  const copy = structuredClone(value);
  let holder = copy;
  for (const key of path.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
  change(holder, path.at(-1)!);
  return copy;
}

describe('the quick check', () => {
  it.each(subjects)('says yes to a sound %s', (_, type, sample) => {
    expect([quickCheck(type, sample, false), quickCheck(type, sample, true)]).toEqual([true, true]);
  });

  it.each(subjects)('never says yes to a %s that class-validator refuses, whatever is put in whichever place', (_, type, sample) => {
    const where = places(sample);
    fc.assert(fc.property(
      fc.constantFrom(...where), fc.oneof(fc.jsonValue(), fc.constantFrom('', null, [], {}, '\ud800', 'P1M', 0, -1, 1.5, 'x'.repeat(5_000))), fc.constantFrom('set', 'delete', 'add'), fc.boolean(),
      (path, put, how, closed) => {
        const changed = withChange(sample, path, (holder, key) => {
          if (how === 'delete') delete holder[key];
          else holder[how === 'add' && !Array.isArray(holder) ? `${key}x` : key] = put;
        });
        if (quickCheck(type, changed, closed)) expect(slowly(type, changed, closed)).toBe(true);
      },
    ), { numRuns: 150 });
  });
});
