import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { queues, services, type EventType, type RotationId, type TokenId } from '@writ/contracts';
import { Meter } from '../process-cost.js';
import type { BenchOptions, Row } from '../row.js';
import { fill, openCalendar, type Calendar } from './calendar.js';

const said: EventType[] = ['rotation.due', 'token.rotated', 'token.retired'];

/**
 * Whole rotations through the real rotation service over the real bus: due, claimable, delivered, used, completed.
 * The driver answers for the issuer; the limit is the barest program that says and hears the same events and keeps the
 * same rows, in batches.
 */
export async function rotate({ quick, say }: BenchOptions): Promise<Row[]> {
  const count = quick ? 4_000 : 20_000;
  const calendar = await openCalendar();
  try {
    const { bench: { bus }, sql } = calendar;
    for (const service of services) {
      if (service !== 'rotation') for (const type of said) await bus.unbind(queues.events(service), type);
    }
    say(`rotate, ours: ${count} tokens from due to completed`);
    await fill(calendar, count, `interval '1 day'`);
    const ours = await through(calendar, count, 'rotation-process.js', () => sql.query('UPDATE token SET rotate_at = now()'), `SELECT count(*) AS n FROM rotation WHERE state = 'completed'`);
    say('rotate, bare');
    await bareTables(calendar, count);
    const bare = await through(calendar, count, 'bare-process.js', () => sql.query('UPDATE bare_token SET due_at = now()'), 'SELECT count(*) AS n FROM bare_rotation WHERE claimable AND delivered AND used AND retired');
    return [
      { bench: 'rotation', name: 'rotate', kind: 'ours', ...ours, note: 'five events each; CPU of the rotation service' },
      { bench: 'rotation', name: 'rotate', kind: 'limit', ...bare, note: 'the same events and rows' },
    ];
  } finally {
    await calendar.drop();
  }
}

async function through(calendar: Calendar, count: number, program: string, begin: () => Promise<unknown>, completed: string): Promise<Pick<Row, 'perSecond' | 'cpuUsPerOp' | 'rssMb'>> {
  const { bench: { bus }, sql, env } = calendar;
  const tap = await bus.tap('writ.events', 'rotation.due');
  const service = fork(fileURLToPath(new URL(`./${program}`, import.meta.url)), [], { env: { ...process.env, ...env, WRIT_TICK_MS: '20', WRIT_LOG_LEVEL: 'error' } });
  try {
    await once(service, 'message');
    await sleep(5_000); // A young quorum queue is slow.
    const meter = new Meter(new Map([['rotation', service.pid as number]]));
    const startedAt = performance.now();
    await begin();
    for (let answered = 0; answered < count;) {
      const due = tap.heard.slice(answered);
      await Promise.all(due.map(({ envelope: { data } }) => answer(calendar, data as { tokenId: TokenId; rotationId: RotationId })));
      answered += due.length;
      if (due.length === 0) await sleep(5);
    }
    for (;;) {
      const { rows } = await sql.query<{ n: string }>(completed);
      if (Number(rows[0]?.n) === count) break;
      await sleep(20);
    }
    const seconds = (performance.now() - startedAt) / 1_000;
    const cost = meter.read().get('rotation');
    return { perSecond: count / seconds, cpuUsPerOp: (cost?.cpuUs ?? 0) / count, rssMb: cost?.rssMb };
  } finally {
    service.kill('SIGTERM');
    await once(service, 'exit');
  }
}

async function answer({ bench: { bus } }: Calendar, { tokenId, rotationId }: { tokenId: TokenId; rotationId: RotationId }): Promise<void> {
  const deadlineAt = new Date(Date.now() + 86_400_000).toISOString();
  await Promise.all((['claimable', 'delivered', 'used'] as const).map((stage) => bus.say('issuer', 'token.rotated', { tokenId, rotationId, stage, generation: 2, deadlineAt })));
  await bus.say('issuer', 'token.retired', { tokenId, rotationId, generation: 1, code: 'unused', seq: 1 });
}

async function bareTables({ sql, bench }: Calendar, count: number): Promise<void> {
  await sql.query('CREATE TABLE bare_token (id text PRIMARY KEY, due_at timestamptz)');
  await sql.query('CREATE TABLE bare_rotation (id text PRIMARY KEY, claimable boolean, delivered boolean, used boolean, retired boolean)');
  await sql.query(`INSERT INTO bare_token SELECT 'tok_' || lpad(n::text, 26, '0') FROM generate_series(1, $1) AS n`, [count]);
  await sql.query('CREATE INDEX ON bare_token (due_at) WHERE due_at IS NOT NULL');
  const { username } = new URL(bench.database('rotation').url);
  await sql.query(`GRANT ALL ON bare_token, bare_rotation TO ${username}`);
}
