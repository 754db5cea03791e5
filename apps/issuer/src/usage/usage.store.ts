import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { UsageRecord, Verification } from '@writ/contracts';
import { networkOf } from '@writ/gateway';
import { toJson, Transactions, turnsOf, type Tx } from '@writ/messaging';
import { Clock, Jobs } from '@writ/service';
import type { Purpose } from '../fleet/verifier.store.js';
import type { KnownGateway } from '../gateways/gateway.store.js';
import { Callers } from './caller.store.js';
import { IssuerConfig } from '../config.js';
import type { Question } from '../verification/question.js';
import { Replica } from '../fleet/replica.job.js';
import { Rotations } from '../rotation/rotation.store.js';
import type { KnownToken } from '../state/state-by-log.js';
import { agentFamily, UsageBook, type Use } from './usage-book.js';

const flushMs = 1_000;
const flushAt = 2_000;
const perEvent = 2_000;
/** Without uses a watermark is said this often, so that "nobody used it" can be told from silence. */
const idleFlushes = 30;
const provenEvery = 3;

/** Counts uses in memory and says them in batches; never on the way of a verification. */
@Injectable()
export class Usage implements OnModuleInit, BeforeApplicationShutdown {
  private readonly book = new UsageBook();
  private idle = 0;
  private flushing?: Promise<void>;

  constructor(
    private readonly transactions: Transactions<'issuer'>, private readonly jobs: Jobs, private readonly replica: Replica, private readonly rotations: Rotations,
    private readonly config: IssuerConfig, private readonly callers: Callers, private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.jobs.everyOwn(flushMs, 'say-usage', () => this.flush());
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.flush();
  }

  note(gateway: KnownGateway, { scopes, address, agent }: Question, { code }: Verification, token: KnownToken | undefined, purpose: Purpose): void {
    if (purpose === 'read') return;
    const visible = token && gateway.audiences.includes(token.audience) ? token : undefined;
    const size = this.book.note({
      tokenId: visible?.tokenId, generation: visible?.generation, code: purpose === 'look' && code === 'VALID' ? 'INTROSPECTED' : code, gateway: gateway.clientId,
      network: address === undefined ? undefined : networkOf(address), agent: agentFamily(agent), scopes: scopes && [...scopes],
      denied: code === 'INSUFFICIENT_SCOPE' ? scopes?.filter((scope) => !visible?.scopes.includes(scope)) : undefined,
    }, this.clock.nowMs());
    // Where it fails the uses are given back; the job says them, or logs why it cannot, within a second.
    if (size >= flushAt) this.flush().catch(() => undefined);
  }

  private flush(): Promise<void> {
    this.flushing ??= this.say().finally(() => {
      this.flushing = undefined;
    });
    return this.flushing;
  }

  private async say(): Promise<void> {
    // Read before the book is emptied: uses from now on belong to the next watermark.
    const watermark = this.replica.state.asOf;
    if (watermark === '') return;
    const uses = this.book.take();
    this.idle = uses.length > 0 ? 0 : this.idle + 1;
    if (uses.length === 0 && this.idle % idleFlushes !== 0) return this.proveIdle(watermark);
    try {
      await this.transactions.run(async (tx) => {
        // A verifier's row before tokens, as uploads do it: a fence that waits for both of them would close the circle.
        await tx.db.query('UPDATE verifier SET watermark = $2 WHERE verifier_id = $1', [this.replica.id, watermark]);
        await this.record(tx, this.replica.id, watermark, uses.map(recordOf));
      });
    } catch (error) {
      this.book.giveBack(uses);
      throw error;
    }
  }

  /** Nothing was used here up to the watermark: known to the issuer, and said to the others now and then. */
  private async proveIdle(watermark: string): Promise<void> {
    if (this.idle % provenEvery !== 0) return;
    await this.transactions.read((db) => db.query('UPDATE verifier SET watermark = $2 WHERE verifier_id = $1', [this.replica.id, watermark]));
  }

  /** Says the records, and draws from them what the issuer itself wants to know: last use and first use of a secret, and by whom. */
  async record(tx: Tx<'issuer'>, verifierId: string, watermark: string, records: UsageRecord[]): Promise<void> {
    const valid = records.filter(({ code, tokenId }) => (code === 'VALID' || code === 'INTROSPECTED') && tokenId !== undefined);
    if (valid.length > 0) {
      await tx.db.query(
        // Locked in one order, which no join promises: replicas tell uses of the same tokens at the same time.
        `WITH used AS (SELECT token_id, max(at) AS at FROM json_to_recordset($1::json) AS r(token_id text, at timestamptz) GROUP BY token_id),
           held AS (SELECT token_id, at FROM used JOIN token USING (token_id) ORDER BY token_id FOR NO KEY UPDATE OF token)
         UPDATE token t SET last_used_at = greatest(t.last_used_at, u.at) FROM held u WHERE t.token_id = u.token_id AND t.last_used_at IS DISTINCT FROM greatest(t.last_used_at, u.at)`,
        [toJson(valid.map(({ tokenId, lastAt }) => ({ token_id: tokenId, at: lastAt })))],
      );
      await tx.db.query(
        `UPDATE generation g SET last_used_at = u.at FROM (
           SELECT token_id, generation, max(at) AS at FROM json_to_recordset($1::json) AS r(token_id text, generation int, at timestamptz) GROUP BY 1, 2 ORDER BY 1, 2
         ) u WHERE g.token_id = u.token_id AND g.generation = u.generation AND g.last_used_at < u.at`,
        [toJson(valid.map(({ tokenId, generation, lastAt }) => ({ token_id: tokenId, generation, at: lastAt })))],
      );
      await this.firstUses(tx, valid.filter(({ code, generation }) => code === 'VALID' && generation !== undefined));
    }
    await this.callers.record(tx, records);
    for (let at = 0; at === 0 || at < records.length; at += perEvent) {
      tx.emit('usage.recorded', { verifierId, watermark, records: records.slice(at, at + perEvent) }, { subject: verifierId });
    }
  }

  private async firstUses(tx: Tx<'issuer'>, uses: readonly UsageRecord[]): Promise<void> {
    if (uses.length === 0) return;
    const fresh = await tx.db.query<{ token_id: string; generation: number }>(
      `SELECT DISTINCT g.token_id, g.generation FROM generation g JOIN json_to_recordset($1::json) AS r(token_id text, generation int)
       ON g.token_id = r.token_id AND g.generation = r.generation WHERE g.state = 'delivered' ORDER BY 1, 2`,
      [toJson(uses.map(({ tokenId, generation }) => ({ token_id: tokenId, generation })))],
    );
    // Of a token whose first and second secret are used for the first time, one after the other.
    for (const turn of turnsOf(fresh.map((use) => ({ ...use, subject: use.token_id })))) {
      await Promise.all(turn.map(async ({ token_id, generation }) => {
        const held = await this.rotations.hold(tx, token_id);
        if (held) await this.rotations.used(tx, held, generation, this.config.graceSeconds);
      }));
      await tx.flush();
    }
  }
}

function recordOf({ firstAt, lastAt, ...use }: Use): UsageRecord {
  return { ...use, firstAt: new Date(firstAt).toISOString(), lastAt: new Date(lastAt).toISOString() };
}
