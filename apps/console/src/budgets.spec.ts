import type { FastifyRequest } from 'fastify';
import { FailingSources } from '@writ/gateway';
import { foundFor, TooManyCalls, Turns } from './budgets.js';

describe('a session', () => {
  const request = { headers: { cookie: '__Host-writ-session=one' }, ip: '192.0.2.7' } as FastifyRequest;
  const partsOf = (failuresPerSecond: number) => ({ turns: new Turns(1), strangers: new FailingSources(failuresPerSecond) });
  const calls = 60;

  it('that is over its budget is refused before anybody is asked about it', async () => {
    const parts = partsOf(1);
    let asked = 0;
    let refused = 0;
    for (let call = 0; call < calls; call++) await foundFor(parts, request, () => Promise.resolve(asked++)).catch((error: unknown) => { refused += error instanceof TooManyCalls ? 1 : 0; });
    expect([asked >= 20, refused > 0, asked + refused]).toEqual([true, true, calls]);
  });

  it('that does not live has no budget: it counts against its address alone', async () => {
    const parts = partsOf(1_000);
    for (let call = 0; call < calls; call++) expect(await foundFor(parts, request, () => Promise.resolve(undefined))).toBeUndefined();
    expect(await foundFor(parts, request, (id) => Promise.resolve(id))).toBe('one');
  });
});
