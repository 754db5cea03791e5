import { createHash } from 'node:crypto';
import { Controller, Headers, HttpCode, Inject, Optional, Post, Req } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { signStatement, type LeakLabel, type ReportId, type SigningKey } from '@writ/contracts';
import { Transactions, type Tx } from '@writ/messaging';
import { Clock, FailingSources, failureFrom, GoesOn, NoReplay, Problem, Public } from '@writ/service';
import { innerDigest, parse, redactSecrets } from '@writ/token';
import { SIGNING_KEY } from '../alerts/alert.store.js';
import { channelOf, findsOf, isSigned, type Find, type LeakKeys } from './leak-report.js';

export const LEAK_KEYS = Symbol('leak keys');
const route = '/v1/leaks';
/** A commit may hold many secrets, and each find names its place: far more than other bodies need. */
const bodyLimit = 1024 * 1024;
const mostFinds = 2_000;

/** Somebody found secrets in the open and reports them, signed. Only their inner digests go on from here. */
@Controller()
export class LeaksController {
  /** The bytes as they came: the signature is of these, not of what a parser makes of them. */
  private readonly raw = new WeakMap<object, Buffer>();

  constructor(
    private readonly transactions: Transactions<'monitor'>, private readonly clock: Clock, { httpAdapter }: HttpAdapterHost, private readonly failing: FailingSources,
    @Inject(SIGNING_KEY) private readonly key: SigningKey, @Optional() @Inject(LEAK_KEYS) private readonly keys?: LeakKeys,
  ) {
    const fastify = httpAdapter.getInstance<FastifyInstance>();
    fastify.addHook('onRoute', (each) => {
      if (each.url === route) each.bodyLimit = bodyLimit;
    });
    fastify.addHook('preParsing', (request, _reply, payload, done) => {
      if (request.method === 'POST' && request.url.split('?')[0] === route) {
        const chunks: Buffer[] = [];
        payload.on('data', (chunk: Buffer) => chunks.push(chunk));
        payload.on('end', () => this.raw.set(request, Buffer.concat(chunks)));
      }
      done(null, payload);
    });
  }

  /** Answers which finds are certainly none; whether the others live is nobody's business here. The same report again changes nothing. */
  @Post(route)
  @GoesOn()
  @HttpCode(200)
  @Public()
  @NoReplay()
  async report(
    @Req() request: FastifyRequest, @Headers('github-public-key-identifier') keyId?: string, @Headers('github-public-key-signature') signature?: string,
  ): Promise<LeakLabel[]> {
    if (!this.keys) throw new Problem({ status: 404, code: 'leak-reports-not-set-up', detail: 'Leak reports are not taken here.', remedy: 'The operator names the reporters’ keys in WRIT_LEAK_KEYS_FILE.' });
    const body = this.raw.get(request) ?? Buffer.alloc(0);
    if (!isSigned(this.keys, keyId, signature, body)) {
      throw failureFrom(request.ip, this.failing) ?? new Problem({ status: 401, code: 'signature-invalid', detail: 'The report is not signed with a key that is known here.', remedy: 'Sign the raw body with ECDSA P-256 and SHA-256, and name the key.' });
    }
    const finds = findsOf(body);
    if (!finds) throw new Problem({ status: 400, code: 'invalid-body', detail: 'A report is a JSON list of objects with "token".', remedy: 'Send [{"token", "type", "url", "source"}].' });
    if (finds.length > mostFinds) throw new Problem({ status: 400, code: 'too-many-finds', detail: `The report has ${finds.length} finds; ${mostFinds} are taken at once.`, remedy: 'Send them in several reports.' });
    const real = finds.filter(({ token }) => parse(token).ok);
    if (real.length > 0) await this.transactions.run(async (tx) => { for (const find of real) await this.pass(tx, find); });
    return finds.filter((find) => !real.includes(find)).map(({ token, type }) => ({
      token_hash: createHash('sha256').update(token).digest('base64'), token_type: type, label: 'false_positive',
    }));
  }

  private async pass(tx: Tx<'monitor'>, find: Find): Promise<void> {
    const digest = innerDigest(find.token).toString('base64url');
    const url = redactSecrets(find.url);
    const reportId: ReportId = this.clock.newId('rep');
    const [fresh] = await tx.db.query<{ reported_at: Date }>(
      `INSERT INTO leak (report_id, inner_digest, channel, url) VALUES ($1, $2, $3, $4) ON CONFLICT (inner_digest, url) DO NOTHING RETURNING reported_at`,
      [reportId, digest, channelOf(find), url],
    );
    if (!fresh) return;
    const iat = Math.floor(this.clock.now().getTime() / 1000);
    tx.emit('leak.reported', {
      reportId, innerDigest: digest, channel: channelOf(find), ...(url === '' ? {} : { url }), reportedAt: fresh.reported_at.toISOString(),
      statement: signStatement(this.key, 'leak', { iat, reportId, innerDigest: digest }),
    });
  }
}
