import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { alertStates, DismissAlert, idPattern, misuseActions, type AlertDetails, type AlertState, type AlertView, type MisuseAction } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, bodyOf, CallerOf, Clock, conflict, forbidden, notFound, principalOf, Problem, type Caller } from '@writ/service';
import { alertById, evidenceDigest, listAlerts, type AlertRow } from './alert.store.js';
import { viewOf } from './alert-view.js';
import { Dismissals } from './dismissal.store.js';

const defaultLimit = 50;
const maxLimit = 200;

/** Owners see what was noticed about their tokens, and say when it was them. */
@Controller('v1/alerts')
export class AlertsController {
  constructor(private readonly transactions: Transactions<'monitor'>, private readonly dismissals: Dismissals, private readonly clock: Clock) {}

  @Get()
  @Allow()
  async list(
    @CallerOf() caller: Caller, @Query('token') token?: string, @Query('state') state?: string, @Query('action') action?: string,
    @Query('cursor') cursor?: string, @Query('limit') limit?: string,
  ): Promise<{ items: AlertView[]; next?: string }> {
    const count = limit === undefined ? defaultLimit : Number(limit);
    if (!Number.isInteger(count) || count < 1 || count > maxLimit) throw badQuery('limit', `a number from 1 to ${maxLimit}`);
    if (state !== undefined && !alertStates.includes(state as AlertState)) throw badQuery('state', `one of ${alertStates.join(', ')}`);
    if (action !== undefined && !misuseActions.includes(action as MisuseAction)) throw badQuery('action', `one of ${misuseActions.join(', ')}`);
    if (cursor !== undefined && !idPattern('alr').test(cursor)) throw badQuery('cursor', 'the "next" of an earlier page');
    const actions = action && misuseActions.slice(misuseActions.indexOf(action as MisuseAction));
    const of = seesAll(caller) ? undefined : { sub: caller.sub, team: caller.team };
    const rows = await this.transactions.read((db) => listAlerts(db, { of, tokenId: token, state, actions: actions || undefined, before: cursor, limit: count + 1 }));
    const items = rows.slice(0, count).map(viewOf);
    return { items, next: rows.length > count ? items.at(-1)?.alertId : undefined };
  }

  /** One alert with what its verdict rests on. The digest is the one in the audit log's entry of the alert. */
  @Get(':id')
  @Allow()
  async one(@Param('id') id: string, @CallerOf() caller: Caller): Promise<AlertDetails> {
    const alert = idPattern('alr').test(id) ? await this.transactions.read((db) => alertById(db, id)) : undefined;
    if (!alert || !(seesAll(caller) || (isOwn(caller, alert) && alert.detector !== 'honeytoken'))) throw notFound('alert');
    return { ...viewOf(alert), evidence: alert.evidence, evidenceDigest: evidenceDigest(alert.evidence) };
  }

  /** "It was us". Dismissing again changes nothing. */
  @Post(':id/dismiss')
  @HttpCode(200)
  @Allow()
  async dismiss(@Param('id') id: string, @Body(bodyOf(DismissAlert)) { reason }: DismissAlert, @CallerOf() caller: Caller): Promise<AlertView> {
    return this.transactions.run(async (tx) => {
      const alert = idPattern('alr').test(id) ? await alertById(tx.db, id, true) : undefined;
      if (!alert || !(seesAll(caller) || isOwn(caller, alert))) throw notFound('alert');
      if (!isOwn(caller, alert) && !caller.roles.has('admin')) throw forbidden('Only its owner’s team may say that it was them.', 'Ask the owner, or an administrator.');
      if (alert.state === 'closed') throw conflict('alert-closed', 'The alert has ended.');
      if (alert.state === 'open') await this.dismissals.dismiss(tx, alert, principalOf(caller), reason);
      return viewOf({ ...alert, state: 'dismissed', closed_at: alert.closed_at ?? this.clock.now(), closed_by: alert.closed_by ?? principalOf(caller), reason: alert.reason ?? reason });
    });
  }
}

export function seesAll({ roles }: Caller): boolean {
  return roles.has('reviewer') || roles.has('policy-admin') || roles.has('admin') || roles.has('auditor');
}

function isOwn({ sub, team }: Caller, { owner_id, team: ofTeam }: AlertRow): boolean {
  return owner_id !== null && (owner_id === sub || (team !== undefined && ofTeam === team));
}

export function badQuery(name: string, what: string): Problem {
  return new Problem({ status: 400, code: 'malformed-query', detail: `${name} is not ${what}.`, remedy: `Correct "${name}".` });
}
