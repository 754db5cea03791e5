import { setTimeout as sleep } from 'node:timers/promises';
import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query } from '@nestjs/common';
import { digestOf, idPattern, RotateToken, SteerRotation, type Forecast, type RotationAnswer, type RotationId } from '@writ/contracts';
import { Transactions, type Db } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, conflict, GoesOn, notFound, principalOf, Problem, type Caller } from '@writ/service';
import { isOpen } from './advance.js';
import { forecast } from './forecast.store.js';
import { Orders } from './orders.store.js';
import { isUrgent } from './plan-rotation.js';
import { answerOf, makesRoom, openRotation, rotationById, rotationByRequest, type RotationRow } from './rotation.store.js';
import { TokenLife } from './token-life.js';
import { lockToken, tokenById, type TokenRow } from './token.store.js';

const maxListed = 200;
const hearingMs = 2_000;
const buckets = { PT1H: { seconds: 3_600, most: 24 * 14 }, P1D: { seconds: 86_400, most: 400 } } as const;

/** Owners and admins rotate, stop, force and look. To everybody else nothing of it exists. */
@Controller('v1')
export class RotationsController {
  constructor(private readonly transactions: Transactions<'rotation'>, private readonly life: TokenLife, private readonly orders: Orders) {}

  /** Starts a rotation, or names the one under way: two live successors never exist. */
  @Post('tokens/:id/rotate')
  @GoesOn()
  @HttpCode(202)
  @Allow()
  rotate(
    @Param('id') id: string, @Body(bodyOf(RotateToken)) { cause = 'requested', reason }: RotateToken, @CallerOf() caller: Caller, @Headers('idempotency-key') key?: string,
  ): Promise<RotationAnswer> {
    return onceHeard(() => this.transactions.run(async (tx) => {
      const token = idPattern('tok').test(id) ? await lockToken(tx.db, id) : undefined;
      if (!token || !mayAct(caller, token)) throw notFound('token');
      const by = principalOf(caller);
      const requestKey = key === undefined ? undefined : digestOf([by.iss, by.sub, id, key]);
      const before = requestKey === undefined ? undefined : await tx.db.one(rotationByRequest, requestKey);
      if (before) return answerOf(tx.db, before);
      mustRotate(token, cause);
      const open = await tx.db.one(openRotation, id);
      if (open && !makesRoom(open, cause)) return answerOf(tx.db, open);
      // An emergency does not wait for what is under way: its successor dies with the old secret.
      const [rotationId] = (await this.life.startInstead(tx, [{ token, open }], cause, { by, reason, requestKey })) as [RotationId];
      await tx.flush();
      return answerOf(tx.db, (await tx.db.one(rotationById, rotationId)) as RotationRow);
    }));
  }

  @Get('rotations/:id')
  @Allow()
  read(@Param('id') id: string, @CallerOf() caller: Caller): Promise<RotationAnswer> {
    return this.transactions.read(async (db) => answerOf(db, (await this.find(db, id, caller)).rotation));
  }

  @Get('tokens/:id/rotations')
  @Allow()
  list(@Param('id') id: string, @CallerOf() caller: Caller): Promise<{ items: RotationAnswer[] }> {
    return this.transactions.read(async (db) => {
      const token = await db.one(tokenById, id);
      if (!token || !maySee(caller, token)) throw notFound('token');
      const rows = await db.query<RotationRow>('SELECT *, now() AS now FROM rotation WHERE token_id = $1 ORDER BY rotation_id DESC LIMIT $2', [id, maxListed]);
      return { items: await Promise.all(rows.map((row) => answerOf(db, row))) };
    });
  }

  /** Ends a rotation whose successor nobody uses yet; the old secret lives on. */
  @Post('rotations/:id/stop')
  @HttpCode(200)
  @Allow()
  stop(@Param('id') id: string, @Body(bodyOf(SteerRotation)) { reason }: SteerRotation, @CallerOf() caller: Caller): Promise<RotationAnswer> {
    return this.steer(id, caller, 'stop', reason);
  }

  /** Ends the old secret at once, whoever still uses it. */
  @Post('rotations/:id/force')
  @GoesOn()
  @HttpCode(200)
  @Allow()
  force(@Param('id') id: string, @Body(bodyOf(SteerRotation)) { reason }: SteerRotation, @CallerOf() caller: Caller): Promise<RotationAnswer> {
    return this.steer(id, caller, 'force', reason);
  }

  /** What will be due per hour or day: rotations and expiries, and what of it is people's work, claims and reviews. */
  @Get('forecast')
  @Allow()
  async forecast(@Query('bucket') bucket = 'P1D', @Query('count') count = '30'): Promise<Forecast> {
    if (bucket !== 'PT1H' && bucket !== 'P1D') throw badQuery('bucket is not PT1H or P1D.');
    const { seconds, most } = buckets[bucket];
    const number = Number(count);
    if (!Number.isInteger(number) || number < 1 || number > most) throw badQuery(`count is not a number from 1 to ${most}.`);
    return this.transactions.read((db) => forecast(db, { bucket, seconds, count: number, claimWindowSeconds: this.life.terms.claimWindowSeconds }));
  }

  private steer(id: string, caller: Caller, command: 'stop' | 'force', reason: string): Promise<RotationAnswer> {
    return this.transactions.run(async (tx) => {
      const found = await this.find(tx.db, id, caller);
      const token = await lockToken(tx.db, found.token.token_id);
      const rotation = await tx.db.one(rotationById, id);
      if (!token || !rotation || !mayAct(caller, token)) throw notFound('rotation');
      if (command === 'stop' && rotation.state === 'stopped') return answerOf(tx.db, rotation);
      if (!isOpen(rotation.state)) throw conflict('rotation-ended', `The rotation is ${rotation.state}.`);
      if (command === 'stop' && rotation.state === 'used') throw conflict('successor-in-use', 'The new secret is in use; stopping would break who uses it.', 'Let it complete, or force it.');
      if (command === 'stop' && (isUrgent(rotation.cause) || rotation.retired_at !== null)) {
        throw conflict('old-secret-ended', 'The old secret is dead; without the new one the token has none.', 'Claim the new secret, or revoke the token.');
      }
      if (command === 'force' && rotation.delivered_at === null && rotation.used_at === null) {
        throw conflict('successor-not-delivered', 'Nobody has the new secret yet.', 'Claim it first, or rotate with cause emergency.');
      }
      const by = principalOf(caller);
      this.orders.steered(tx, { tokenId: token.token_id, rotationId: rotation.rotation_id, command, by, reason });
      if (command === 'stop') this.life.stopped(tx, token, rotation.rotation_id);
      else tx.db.update('rotation', { rotation_id: rotation.rotation_id }, { forced_at: token.now });
      tx.db.update('rotation', { rotation_id: rotation.rotation_id }, { steered: { command, by, reason } });
      await tx.flush();
      return answerOf(tx.db, (await tx.db.one(rotationById, id)) as RotationRow);
    });
  }

  private async find(db: Db, id: string, caller: Caller): Promise<{ rotation: RotationRow; token: TokenRow }> {
    const rotation = idPattern('rot').test(id) ? await db.one(rotationById, id) : undefined;
    const token = rotation && (await db.one(tokenById, rotation.token_id));
    if (!rotation || !token || !maySee(caller, token)) throw notFound('rotation');
    return { rotation, token };
  }
}

/**
 * Whoever claims and at once rotates is faster than the issuer's word of it: such a no becomes the answer only when it is still true 2 s later.
 * A stranger's 404 takes as long as that of a token that nobody has.
 */
async function onceHeard<T>(work: () => Promise<T>): Promise<T> {
  const end = performance.now() + hearingMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const early = error instanceof Problem && ['not-found', 'token-not-delivered'].includes(error.facts.code);
      if (!early || performance.now() >= end) throw error;
      await sleep(hearingMs / 10);
    }
  }
}

function mayAct({ iss, sub, roles }: Caller, { owner, claimant }: TokenRow): boolean {
  return roles.has('admin') || owner.id === sub || (claimant.iss === iss && claimant.sub === sub);
}

function maySee(caller: Caller, token: TokenRow): boolean {
  return mayAct(caller, token) || caller.roles.has('auditor');
}

function mustRotate({ ended_at, expires_at, now, secret_since, suspended }: TokenRow, cause: string): void {
  if (ended_at || expires_at <= now) throw conflict('token-ended', 'The token has ended.', 'Request a new one.');
  if (!secret_since) throw conflict('token-not-delivered', 'The token has no secret yet.', 'Claim it first.');
  if (suspended && cause !== 'emergency') throw conflict('token-suspended', 'The token is suspended.', 'Resume it first, or rotate with cause emergency.');
}

function badQuery(detail: string): Problem {
  return new Problem({ status: 400, code: 'invalid-query', detail, remedy: 'Correct the query and try again.' });
}
