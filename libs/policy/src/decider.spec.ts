import { execFileSync } from 'node:child_process';
import { anyone, load, readInDev, sampleFiles, smallFiles } from '../test/sets.js';
import { decide } from './decide.js';
import { checkOnThread, createDecider } from './decider.js';
import type { Decider } from './decider.js';
import { withNearest } from './nearest.js';

const files = smallFiles(readInDev);
const tighter = smallFiles(readInDev.replace('3600', '60'));

it('the service that has its decisions made on threads loads no engine itself (memory)', () => {
  const loaded = (entry: string) => execFileSync(process.execPath, ['--input-type=module', '-e', `
    import { createRequire } from 'node:module';
    await import(${JSON.stringify(new URL(`../dist/${entry}.js`, import.meta.url).href)});
    const { _cache } = createRequire(import.meta.url)('node:module');
    console.log(Object.keys(_cache).some((file) => file.includes('cedar-wasm')));`], { encoding: 'utf8' }).trim();
  expect([loaded('threads'), loaded('index')]).toEqual(['false', 'true']);
});

describe('a decider', () => {
  let decider: Decider;
  beforeEach(() => {
    decider = createDecider({ memoSize: 10 });
  });
  afterEach(() => decider.close());

  it('decides nothing before a set is active (G9)', async () => {
    await expect(decider.decide(anyone)).rejects.toMatchObject({ code: 'no-active-policy-set' });
  });

  it('answers as deciding here does', async () => {
    await decider.activate(sampleFiles);
    const sample = load(sampleFiles);
    const held = { ...anyone, environment: 'prod', scopes: ['orders:write'] };
    expect(await decider.decide(anyone)).toEqual(decide(sample, anyone));
    expect(await decider.decide(held, { nearest: true })).toEqual(withNearest(sample, decide(sample, held)));
    expect(await decider.decide({ ...anyone, scopes: [] })).toMatchObject({ outcome: 'deny', code: 'invalid-facts' });
  });

  it('decides equal facts once, and never across a change of set', async () => {
    await decider.activate(files);
    const [first, second] = await Promise.all([decider.decide(anyone), decider.decide({ ...anyone, audience: 'orders' })]);
    expect(second).toBe(first);
    expect(Object.isFrozen(first.obligations)).toBe(true);
    await decider.activate(tighter);
    expect(await decider.decide(anyone)).toMatchObject({ outcome: 'hold', policyDigest: decider.activeDigest });
    await decider.activate(files);
    expect(await decider.decide(anyone)).toEqual(first);
  });

  it('remembers no answer of one set under another while they are swapped', async () => {
    await decider.activate(files);
    const swap = decider.activate(tighter);
    const during = await decider.decide(anyone);
    await swap;
    expect(await decider.decide(anyone)).toMatchObject({ outcome: 'hold', policyDigest: decider.activeDigest });
    expect(during.policyDigest).toBe(decider.activeDigest);
  });

  it('keeps the set before when the next one is broken', async () => {
    const { digest } = await decider.activate(files);
    await expect(decider.activate({ ...files, 'rules.cedar': 'permit' })).rejects.toMatchObject({ code: 'broken-policy-set' });
    expect(decider.activeDigest).toBe(digest);
    expect(await decider.decide(anyone)).toMatchObject({ outcome: 'approve' });
  });

  it('does not hold up the event loop', async () => {
    await decider.activate(sampleFiles);
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 1);
    await Promise.all(Array.from({ length: 400 }, (_, i) => decider.decide({ ...anyone, ttlSeconds: 1_000 + i, environment: 'prod', scopes: ['orders:admin'] }, { nearest: true })));
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(20);
  });

  it('says later instead of piling up', async () => {
    const small = createDecider({ maxPending: 1 });
    await small.activate(files);
    const first = small.decide(anyone);
    await expect(small.decide({ ...anyone, ttlSeconds: 5 })).rejects.toMatchObject({ code: 'decider-busy' });
    await expect(first).resolves.toMatchObject({ outcome: 'approve' });
    await small.close();
    await expect(small.decide(anyone)).rejects.toMatchObject({ code: 'decider-closed' });
  });

  it('gives up a thread that does not answer, and decides on a new one', async () => {
    const slow = createDecider({ timeoutMs: 1_500, maxPending: 100_000 });
    await slow.activate(sampleFiles);
    const flood = Array.from({ length: 20_000 }, (_, i) => slow.decide({ ...anyone, ttlSeconds: 40_000_000 + i, environment: 'prod', scopes: ['orders:admin', 'orders:read', 'orders:write'] }, { nearest: true }));
    const settled = await Promise.allSettled(flood);
    expect(settled.some((result) => result.status === 'rejected' && result.reason.code === 'decider-timeout')).toBe(true);
    expect(await slow.decide(anyone)).toMatchObject({ outcome: 'approve' });
    await slow.close();
  });

  it('checks a set on a thread of its own', async () => {
    expect(await checkOnThread(files)).toMatchObject({ valid: true, problems: [], cases: [{ passed: true }], analysis: { exhaustive: true } });
  });
});
