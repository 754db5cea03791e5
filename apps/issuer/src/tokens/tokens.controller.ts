import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { RevocationBody, StopBody, type StopAnswer, type TimelineEntry, type TokenId, type TokenView } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, Clock, conflict, forbidden, GoesOn, invalid, mustBeSteppedUp, notFound, principalOf, type Caller } from '@writ/service';
import type { KeyProvider } from '@writ/token';
import { IssuerConfig } from '../config.js';
import { Fleet } from '../fleet/fleet.store.js';
import { KEYS } from '../keys.store.js';
import { isAsWritten } from './as-written.store.js';
import { Inventory } from './inventory.store.js';
import { mayResume, maySee, mayStop } from './may-see.js';
import type { StopKind } from '../state/next-state.js';
import { Stops } from '../state/stop.store.js';
import { ForgedRow } from './token.row.js';
import { viewOf } from './token-view.js';

const codes = { suspend: 'suspended-by-person', resume: 'resumed-by-person', revoke: 'revoked-by-person' } as const;

@Controller('v1')
export class TokensController {
  constructor(
    private readonly transactions: Transactions<'issuer'>, private readonly inventory: Inventory, private readonly stops: Stops, private readonly fleet: Fleet,
    private readonly config: IssuerConfig, private readonly clock: Clock, @Inject(KEYS) private readonly keys: KeyProvider,
  ) {}

  /** Tokens the caller may see, newest first; filters `owner`, `team`, `audience`, `scope`, `state`, `environment`, `expiringBefore`, `unusedSince`. */
  @Get('tokens')
  @Allow()
  list(@Query() query: Record<string, string>, @CallerOf() caller: Caller): Promise<{ items: TokenView[]; next: string | null }> {
    return this.transactions.read((db) => this.inventory.list(db, query, caller));
  }

  @Get('tokens/:tokenId')
  @Allow()
  async token(@Param('tokenId') tokenId: string, @CallerOf() caller: Caller): Promise<TokenView> {
    return this.transactions.read(async (db) => {
      const found = await this.inventory.find(db, tokenId);
      if (!found || !maySee(caller, found.token)) throw notFound('token');
      return viewOf(found.token, found.generations);
    });
  }

  /** Everything that happened to a token, oldest first. */
  @Get('tokens/:tokenId/timeline')
  @Allow()
  async timeline(@Param('tokenId') tokenId: string, @CallerOf() caller: Caller): Promise<{ items: TimelineEntry[]; next: null }> {
    return this.transactions.read(async (db) => {
      const found = await this.inventory.find(db, tokenId);
      if (!found || !maySee(caller, found.token)) throw notFound('token');
      return { items: await this.inventory.timeline(db, found), next: null };
    });
  }

  /**
   * Ends a token for ever. With `wait=fleet` it returns when no verifier under lease says VALID any more, with one
   * receipt per verifier; asked again it waits again. `token-ended` where it had expired before.
   */
  @Post('tokens/:tokenId/revoke')
  @GoesOn()
  @HttpCode(200)
  @Allow()
  revoke(@Param('tokenId') tokenId: string, @Body(bodyOf(StopBody)) body: StopBody, @CallerOf() caller: Caller, @Query('wait') wait?: string): Promise<StopAnswer> {
    return this.stop('revoke', tokenId, body, caller, wait);
  }

  /** Stops a token until somebody resumes it. */
  @Post('tokens/:tokenId/suspend')
  @GoesOn()
  @HttpCode(200)
  @Allow()
  suspend(@Param('tokenId') tokenId: string, @Body(bodyOf(StopBody)) body: StopBody, @CallerOf() caller: Caller, @Query('wait') wait?: string): Promise<StopAnswer> {
    return this.stop('suspend', tokenId, body, caller, wait);
  }

  /** Lifts a suspension: a person's own, or as an administrator. What no person suspended, its owner and team let go on too. */
  @Post('tokens/:tokenId/resume')
  @HttpCode(200)
  @Allow()
  resume(@Param('tokenId') tokenId: string, @Body(bodyOf(StopBody)) body: StopBody, @CallerOf() caller: Caller): Promise<StopAnswer> {
    return this.stop('resume', tokenId, body, caller);
  }

  /**
   * Ends everything of one owner or of everybody that was issued before now, at the cost of one entry however many
   * tokens there are; or all of one request, with what replaced it. Ending everybody's needs a fresh sign-in.
   */
  @Post('revocations')
  @GoesOn()
  @HttpCode(200)
  @Allow('admin')
  async revokeMany(@Body(bodyOf(RevocationBody)) body: RevocationBody, @CallerOf() caller: Caller, @Query('wait') wait?: string): Promise<Pick<StopAnswer, 'seq' | 'receipts'>> {
    const { ownerId, requestId, everybody, reason } = body;
    if ([ownerId, requestId, everybody].filter((one) => one !== undefined).length !== 1) {
      throw invalid([{ pointer: '', message: 'Exactly one of ownerId, requestId and everybody is needed.' }]);
    }
    const whom = whomOf(wait);
    if (everybody) mustBeSteppedUp(caller, this.config, this.clock.now());
    const principal = principalOf(caller);
    const seq = await this.transactions.run(async (tx) => {
      if (requestId !== undefined) return this.stops.endRequest(tx, requestId, { kind: 'person', principal }, reason);
      const place = await this.stops.endAll(tx, ownerId, ownerId === undefined ? 'mass-revoked' : 'owner-revoked', { kind: 'person', principal });
      // Said here, because its tokens end one by one later, with nobody's name: who, whom and why belong together.
      tx.emit('act.recorded', { service: 'issuer', act: 'POST /v1/revocations', path: '/v1/revocations', by: principal, ownerId, reason, seq: place }, { subject: 'issuer' });
      return place;
    });
    if (seq === undefined) throw notFound('request with a token');
    const receipts = await this.fleet.fence(seq, whom);
    return { seq, ...(whom === 'fleet' ? { receipts } : {}) };
  }

  private async stop(kind: Exclude<StopKind, 'expire'>, tokenId: string, { reason }: StopBody, caller: Caller, wait?: string): Promise<StopAnswer> {
    const whom = whomOf(wait);
    const stopped = await this.transactions.run(async (tx) => {
      const token = await this.stops.locked(tx.db, tokenId);
      if (!token || !mayStop(caller, token)) throw notFound('token');
      if (kind === 'resume' && !mayResume(caller, token)) {
        throw forbidden('Somebody else stopped this token.', 'Ask an administrator, or whoever stopped it.');
      }
      if (kind === 'resume' && !(await isAsWritten(tx.db, this.keys, token))) throw new ForgedRow(token.token_id);
      const by = { kind: 'person', principal: principalOf(caller) } as const;
      const [changed] = await this.stops.apply(tx, [token], { kind, by, code: codes[kind], reason });
      // An administrator's word counts also where somebody else's came before: else that one would lift both.
      if (kind === 'suspend' && token.state === 'suspended' && caller.roles.has('admin')) await this.stops.keepStopped(tx.db, tokenId, by);
      if (changed) return { state: changed.state, seq: changed.seq };
      if (kind === 'revoke' ? token.state === 'expired' : token.state === 'revoked' || token.state === 'expired') throw conflict('token-ended', 'This token has ended.');
      // Repeated: the same answer, and with wait=fleet the same wait again.
      return { state: token.state, seq: await this.stops.lastSeq(tx.db, [tokenId]) };
    });
    const answer: StopAnswer = { tokenId: tokenId as TokenId, ...stopped };
    const receipts = await this.fleet.fence(stopped.seq, whom);
    return whom === 'fleet' ? { ...answer, receipts } : answer;
  }
}

/** Whom a stop waits for. One who misspells it must not believe that the fleet was waited for. */
function whomOf(wait: unknown): 'fleet' | 'replicas' {
  if (wait !== undefined && wait !== 'fleet') throw invalid([{ pointer: '/wait', message: 'wait is fleet, or not there.' }]);
  return wait ?? 'replicas';
}
