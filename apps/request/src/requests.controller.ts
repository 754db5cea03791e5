import { randomUUID } from 'node:crypto';
import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, type OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { digestOf, digestOfText, idPattern, requestStatuses, type RequestAnswer, type RequestDetails, type RequestStatus } from '@writ/contracts';
import { Budgets } from '@writ/gateway';
import { maxSubmissionBytes, Transactions } from '@writ/messaging';
import { Allow, CallerOf, conflict, GoesOn, notFound, principalOf, Problem, rateLimited, type Caller } from '@writ/service';
import { RequestConfig } from './config.js';
import { Intake, type Ask, type Taken } from './intake.js';
import { answerOf, detailsOf, outcomeId } from './outcome.js';
import { isRefusal, type Refusal } from './refusal.js';
import { listRequests, requestById, type RequestRow } from './request.store.js';
import { readBytes, Unreadable } from './unreadable.js';

const defaultLimit = 50;
const maxLimit = 200;
const submissionPath = '/v1/requests';
/** Up to this size a refused body is still read, to name it by its digest; a larger one is cut off with 413 and leaves no record. */
const maxReadBytes = 1_048_576;

/** People and machines ask for tokens here, and see what became of it. */
@Controller('v1/requests')
export class RequestsController implements OnModuleInit {
  private readonly callers = new Budgets();

  constructor(
    private readonly transactions: Transactions<'request'>, private readonly intake: Intake, private readonly host: HttpAdapterHost, private readonly config: RequestConfig,
  ) {}

  /** Has this route judge even what is no JSON: after the caller is known, and with a record. Other routes stay strict. */
  onModuleInit(): void {
    const fastify = this.host.httpAdapter.getInstance<FastifyInstance>();
    const parse = fastify.getDefaultJsonParser('error', 'error');
    fastify.removeContentTypeParser('application/json');
    fastify.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer', bodyLimit: maxReadBytes }, (request, bytes, done) => {
      if (request.method === 'POST' && request.routeOptions.url === submissionPath) return done(null, readBytes(bytes));
      if (bytes.length > maxSubmissionBytes) return done(Object.assign(new Error('The body is too large.'), { statusCode: 413 }));
      return parse(request, bytes.toString(), done);
    });
  }

  /** Takes a submission's `data`. The same Idempotency-Key of the same caller is the same submission, for ever. */
  @Post()
  @HttpCode(202)
  @Allow()
  async submit(@Body() body: unknown, @CallerOf() caller: Caller, @Headers('idempotency-key') key?: string): Promise<Taken> {
    const principal = principalOf(caller);
    this.takeTurn(JSON.stringify([principal.iss, principal.sub]));
    const submissionId = key === undefined ? randomUUID() : digestOf([principal.iss, principal.sub, key]);
    const result = await this.transactions.run((tx) => this.intake.take(tx, {
      source: 'http', asker: { ...principal, team: caller.team }, submitter: principal, submissionId, ...contentOf(body),
    }));
    if (isRefusal(result)) throw problemOf(result);
    return result;
  }

  /** Every submission, a refused one too, is rows, an event and a leaf of the log: nobody may have them made without end. */
  private takeTurn(caller: string): void {
    const perSecond = this.config.submissionsPerSecond;
    const waitMs = this.callers.take(caller, { perSecond, atOnce: perSecond * 20 }, performance.now());
    if (waitMs > 0) throw rateLimited('You send requests faster than this service takes them from one caller.', waitMs);
  }

  @Get(':id')
  @Allow()
  async read(@Param('id') id: string, @CallerOf() caller: Caller): Promise<RequestDetails> {
    const row = idPattern('req').test(id) ? await this.transactions.read((db) => requestById(db, id)) : undefined;
    if (!row || !maySee(caller, row)) throw notFound('request');
    return detailsOf(row);
  }

  @Get()
  @Allow()
  async list(
    @CallerOf() caller: Caller, @Query('status') status?: string, @Query('cursor') cursor?: string, @Query('limit') limit?: string,
  ): Promise<{ items: RequestDetails[]; next?: string }> {
    if (status !== undefined && !requestStatuses.includes(status as RequestStatus)) throw badQuery('status', `one of ${requestStatuses.join(', ')}`);
    if (cursor !== undefined && !idPattern('req').test(cursor)) throw badQuery('cursor', 'the "next" of an earlier page');
    const count = limit === undefined ? defaultLimit : Number(limit);
    if (!Number.isInteger(count) || count < 1 || count > maxLimit) throw badQuery('limit', `a number from 1 to ${maxLimit}`);
    const filter = { of: seesAll(caller) ? undefined : principalOf(caller), status: status as RequestStatus | undefined, before: cursor, limit: count + 1 };
    const rows = await this.transactions.read((db) => listRequests(db, filter));
    const items = rows.slice(0, count).map(detailsOf);
    return { items, next: rows.length > count ? items.at(-1)?.requestId : undefined };
  }

  /** Withdraws a request that was not yet issued. Withdrawing it again changes nothing. */
  @Delete(':id')
  @GoesOn()
  @Allow()
  async cancel(@Param('id') id: string, @CallerOf() caller: Caller): Promise<RequestAnswer> {
    return this.transactions.run(async (tx) => {
      const row = idPattern('req').test(id) ? await requestById(tx.db, id, true) : undefined;
      if (!row || !maySee(caller, row)) throw notFound('request');
      if (!isOwn(caller, row) && !caller.roles.has('admin')) {
        throw new Problem({ status: 403, code: 'forbidden', detail: 'Only who asked may withdraw a request.', remedy: 'Ask the requester, or deny it in a review.' });
      }
      if (row.status === 'cancelled') return answerOf(row);
      if (row.token_id !== null) throw conflict('already-issued', 'The token exists already.', 'Revoke the token instead.');
      if (row.status === 'denied' || row.status === 'lapsed') throw conflict('already-decided', `The request is ${row.status}.`);
      const by = principalOf(caller);
      tx.db.update('request', { request_id: row.request_id }, { cancelled: by });
      tx.emit('request.cancelled', { requestId: row.request_id, requestDigest: row.request_digest, by });
      if (row.upstream !== null) tx.tell(row.upstream, 'request.cancelled', { requestId: row.request_id, submissionId: row.submission_id, status: 'cancelled' }, row.request_id, outcomeId(row, 'request.cancelled'));
      return answerOf({ ...row, status: 'cancelled' });
    });
  }
}

function contentOf(body: unknown): Pick<Ask, 'bodyDigest' | 'data' | 'fault'> {
  if (body instanceof Unreadable) return { data: undefined, fault: body.fault, bodyDigest: body.bodyDigest };
  return { data: body, bodyDigest: digestOfText(JSON.stringify(body) ?? '') };
}

function isOwn({ iss, sub }: Caller, { accepted: { requester, claimant, submitter } }: RequestRow): boolean {
  return requester.id === sub || [claimant, submitter].some((principal) => principal.iss === iss && principal.sub === sub);
}

function seesAll({ roles }: Caller): boolean {
  return roles.has('reviewer') || roles.has('policy-admin') || roles.has('admin') || roles.has('auditor');
}

function maySee(caller: Caller, row: RequestRow): boolean {
  return seesAll(caller) || isOwn(caller, row);
}

const statusByCode: Record<string, number> = {
  'too-large': 413, 'id-reused': 409, 'requester-not-allowed': 403, 'team-mismatch': 403, 'team-unknown': 403, 'environment-not-allowed': 403,
};

function problemOf({ code, detail, problems }: Refusal): Problem {
  return new Problem({ status: statusByCode[code] ?? 400, code, detail, remedy: 'Correct it and send a new request.', errors: problems });
}

function badQuery(field: string, what: string): Problem {
  return new Problem({ status: 400, code: 'invalid-query', detail: `${field} is not ${what}.`, remedy: 'Correct the query and try again.' });
}
