import { Controller, Get, Module, Post, type Type } from '@nestjs/common';
import { MessageHandler, On, Transactions } from '@writ/messaging';
import { Allow, Public, ServiceConfig, startService } from '@writ/service';
import { TestBench, until } from '@writ/testing';
import { forgetAnswers } from '../src/idempotency.js';

@MessageHandler()
class OnEverything {
  @On('request.submitted', 'request.cancelled', 'trust.changed')
  ignore(): void {}
}

@Controller()
class Ruled {
  constructor(private readonly transactions: Transactions<'policy'>) {}

  @Public()
  @Post('say')
  say(): Promise<string> {
    return this.transactions.run(async (tx) => tx.emit('service.alive', { service: 'policy', at: '2026-01-01T00:00:00Z' }, { subject: 'asked' }));
  }

  @Allow()
  @Get('look')
  look(): object {
    return {};
  }
}

@Controller()
class Unruled {
  @Post('forgotten')
  forgotten(): void {}
}

@Module({ controllers: [OnEverything, Ruled] })
class Careful {}

@Module({ controllers: [OnEverything, Ruled, Unruled] })
class Careless {}

let bench: TestBench;
const start = async (module: Type, more: Record<string, string> = {}) => startService({ name: 'policy', module, config: ServiceConfig, env: await bench.env('policy', [], more) });

beforeAll(async () => {
  bench = await TestBench.create();
});
afterAll(() => bench.drop());

describe('a service', () => {
  it('does not start with a route that does not say who may call it (G10)', async () => {
    await expect(start(Careless)).rejects.toThrow('These routes do not say who may call them: Unruled.forgotten.');
  });

  it('says with the trace of a call what the call changed', async () => {
    const service = await start(Careful);
    const tap = await bench.bus.tap();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await fetch(`${service.url}/say`, { method: 'POST', headers: { traceparent } });
    const { envelope } = await until(() => tap.ofType('service.alive').find(({ envelope: { subject } }) => subject === 'asked'), 'the event');
    expect(envelope.traceparent).toBe(traceparent);
    await service.close();
  });

  it('tells whoever calls too often to wait, and answers everybody else (G11)', async () => {
    const service = await start(Careful, { WRIT_CALLS_PER_SECOND: '1' });
    const look = async (sub: string) => fetch(`${service.url}/look`, { headers: { authorization: `Bearer ${await bench.identity.token({ sub })}` } });
    const answers = await Promise.all(Array.from({ length: 60 }, () => look('mallory')));
    const late = answers.filter(({ status }) => status === 429);
    expect(answers.length - late.length).toBeGreaterThanOrEqual(20);
    expect(late[0]?.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(late[0]?.headers.get('content-type')).toContain('application/problem+json');
    expect(await late[0]?.json()).toMatchObject({ status: 429, code: 'rate-limited' });
    expect((await look('alice')).status).toBe(200);
    expect((await fetch(`${service.url}/look`, { headers: { authorization: 'Bearer a.b.c' } })).status).toBe(401);
    await service.close();
  });

  it('tells a source that keeps failing to prove who it is to wait, and answers whoever does from there (G11)', async () => {
    const service = await start(Careful, { WRIT_FAILURES_PER_SECOND: '1' });
    const look = (token: string) => fetch(`${service.url}/look`, { headers: { authorization: `Bearer ${token}` } });
    const answers = await Promise.all(Array.from({ length: 60 }, () => look('a.b.c')));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(20);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    const late = answers.find(({ status }) => status === 429);
    expect(late?.headers.get('retry-after')).toMatch(/^[1-9]\d*$/);
    expect(await late?.json()).toMatchObject({ code: 'rate-limited', detail: expect.stringContaining('this address') });
    expect((await look(await bench.identity.token({ sub: 'alice' }))).status).toBe(200);
    await service.close();
  });

  it('forgets stored answers after a day, however many there are', async () => {
    const service = await start(Careful);
    const database = bench.database('policy');
    await database.query(`INSERT INTO idempotency (id, body_digest, status, answer, created_at)
      SELECT 'answer-' || hours, '', 200, '{"owner":"alice"}', now() - hours * interval '1 hour' FROM unnest('{1,23,25,26,27}'::int[]) hours`);
    const transactions = service.app.get(Transactions);
    while (await forgetAnswers(transactions, 2));
    expect(await database.query('SELECT id FROM idempotency ORDER BY id')).toEqual([{ id: 'answer-1' }, { id: 'answer-23' }]);
    await service.close();
  });
});
