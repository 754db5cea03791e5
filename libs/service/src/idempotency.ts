import { Injectable, SetMetadata, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { digestOf, type EventId, type ServiceName } from '@writ/contracts';
import { receipts, type Transactions } from '@writ/messaging';
import type { WithCaller } from './caller.js';
import { conflict, Problem } from './problems.js';

const noReplayKey = 'writ:no-replay';
/** This route's answers may hold a secret: nothing of it is stored, and a repeated key does not replay it. */
export const NoReplay = () => SetMetadata(noReplayKey, true);

interface Stored { body_digest: string; status: number | null; answer: unknown; receipts: EventId[] }
/** After this a call that never finished is taken for dead, and its key may be used again. */
const deadAfter = '60 seconds';
const keptFor = '1 day';

/** Replays the first answer of a POST, its receipts with it, when its `Idempotency-Key` comes again (draft-ietf-httpapi-idempotency-key-header). */
@Injectable()
export class Idempotency implements NestInterceptor {
  constructor(private readonly reflector: Reflector, private readonly transactions: Transactions<ServiceName>) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    if (context.getType() !== 'http') return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest & WithCaller>();
    const key = request.headers['idempotency-key'];
    if (request.method !== 'POST' || key === undefined || this.reflector.getAllAndOverride(noReplayKey, [context.getHandler(), context.getClass()])) return next.handle();
    return from(this.once(String(key), request, context.switchToHttp().getResponse<FastifyReply>(), next));
  }

  private async once(key: string, request: FastifyRequest & WithCaller, reply: FastifyReply, next: CallHandler): Promise<unknown> {
    if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
      throw new Problem({ status: 400, code: 'malformed-idempotency-key', detail: 'Idempotency-Key has 1 to 255 printable characters.', remedy: 'Send a random UUID.' });
    }
    const id = digestOf([request.caller?.iss ?? '', request.caller?.sub ?? '', request.method, request.url, key]);
    const bodyDigest = digestOf(request.body ?? null);
    const before = await this.begin(id, bodyDigest);
    if (before) {
      if (before.body_digest !== bodyDigest) throw new Problem({ status: 422, code: 'idempotency-key-reused', detail: 'This Idempotency-Key was used with another body.', remedy: 'Use a new key for a new request.' });
      if (before.status === null) throw conflict('idempotency-in-progress', 'The first request with this key is still under way.', 'Repeat it in a second.');
      reply.status(before.status);
      receipts.getStore()?.push(...before.receipts);
      return before.answer;
    }
    try {
      const answer: unknown = await lastValueFrom(next.handle(), { defaultValue: undefined });
      await this.transactions.read((db) => db.query(
        'UPDATE idempotency SET status = $2, answer = $3, receipts = $4 WHERE id = $1', [id, reply.statusCode, JSON.stringify(answer ?? null), receipts.getStore() ?? []],
      ));
      return answer;
    } catch (error) {
      await this.transactions.read((db) => db.query('DELETE FROM idempotency WHERE id = $1 AND status IS NULL', [id]));
      throw error;
    }
  }

  private begin(id: string, bodyDigest: string): Promise<Stored | undefined> {
    return this.transactions.read(async (db) => {
      const taken = await db.query(
        `INSERT INTO idempotency (id, body_digest) VALUES ($1, $2)
         ON CONFLICT (id) DO UPDATE SET body_digest = excluded.body_digest, status = NULL, answer = NULL, receipts = '{}', created_at = now()
         WHERE idempotency.created_at < now() - (CASE WHEN idempotency.status IS NULL THEN $3 ELSE $4 END)::interval RETURNING id`,
        [id, bodyDigest, deadAfter, keptFor],
      );
      if (taken.length > 0) return undefined;
      return (await db.query<Stored>('SELECT body_digest, status, answer, receipts FROM idempotency WHERE id = $1', [id]))[0];
    });
  }
}

/** Forgets answers that are no longer replayed: they may name people. @returns whether there is more to forget */
export async function forgetAnswers(transactions: Transactions<ServiceName>, atOnce = 20_000): Promise<boolean> {
  const gone = await transactions.read((db) => db.query(
    `DELETE FROM idempotency WHERE id IN (SELECT id FROM idempotency WHERE created_at < now() - $1::interval LIMIT $2) RETURNING 1`, [keptFor, atOnce],
  ));
  return gone.length === atOnce;
}

/** The table of {@link Idempotency}; part of every service's migrations. */
export class Idempotency1700000000001 implements MigrationInterface {
  readonly name = 'Idempotency1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE idempotency (
        id text PRIMARY KEY, body_digest text NOT NULL, status int, answer jsonb, created_at timestamptz NOT NULL DEFAULT now()
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE idempotency');
  }
}

/** A replayed answer names the same entries of the audit log as the first. */
export class IdempotencyReceipts1700000000002 implements MigrationInterface {
  readonly name = 'IdempotencyReceipts1700000000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE idempotency ADD COLUMN receipts text[] NOT NULL DEFAULT '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE idempotency DROP COLUMN receipts');
  }
}
