import { Injectable, type OnModuleInit } from '@nestjs/common';
import { deriveId, type TokenId } from '@writ/contracts';
import { Transactions, type Tx } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { callersOf, forgetCallers, noteStraggler, takeRetiredUses, type PendingUse } from '../usage/caller.store.js';
import { IssuerConfig } from '../config.js';
import { Incidents, type AutomaticStop } from '../incidents/incident.store.js';
import { judgeRetiredUse, type TripVerdict } from './tripwire.js';

const everyMs = 1_000;
const tidyEveryMs = 600_000;
const slice = 100;
const tidySlice = 10_000;

/**
 * Suspends a token whose retired secret a stranger shows: once per secret, under the breakers, and its owner can undo it.
 * Of a known caller that shows one the owner is told.
 */
@Injectable()
export class TripwireJob implements OnModuleInit {
  constructor(
    private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly incidents: Incidents, private readonly config: IssuerConfig,
  ) {}

  onModuleInit(): void {
    this.jobs.every(everyMs, 'judge-retired-uses', () => this.round());
    this.jobs.every(tidyEveryMs, 'forget-callers', () => this.transactions.read((db) => forgetCallers(db, tidySlice)));
  }

  private round(): Promise<boolean> {
    return this.transactions.run(async (tx) => {
      const uses = await takeRetiredUses(tx.db, slice);
      const stops: AutomaticStop[] = [];
      for (const use of uses) {
        const verdict = await this.judged(tx, use);
        if (verdict === 'known') await this.tell(tx, use);
        if (verdict === 'stranger') stops.push(stopOf(use));
      }
      await this.incidents.actAll(tx, stops);
      return uses.length === slice;
    });
  }

  private async judged(tx: Tx<'issuer'>, { token_id, network, retired_code, retired_at, now }: PendingUse): Promise<TripVerdict> {
    const callers = await callersOf(tx.db, token_id);
    return judgeRetiredUse({ network, retiredCode: retired_code, retiredAt: retired_at }, callers, this.config.tripwireSeconds * 1_000, now);
  }

  private async tell(tx: Tx<'issuer'>, { token_id: tokenId, generation, network, gateway, retired_at, used_at }: PendingUse): Promise<void> {
    const token = await noteStraggler(tx.db, tokenId, generation, network);
    if (!token) return;
    tx.emit('token.straggling', {
      tokenId: tokenId as TokenId, requestId: token.request_id, owner: { id: token.owner_id, team: token.owner_team },
      generation, retiredAt: retired_at.toISOString(), gateway, network, shownAt: used_at.toISOString(),
    });
  }
}

function stopOf({ token_id, generation, network, gateway, retired_at }: PendingUse): AutomaticStop {
  return {
    alertId: deriveId('alr', retired_at.getTime(), token_id, 'retired-secret', String(generation)), tokenId: token_id as TokenId, action: 'suspend',
    by: { kind: 'issuer' }, code: 'retired-secret-used',
    reason: `Secret ${generation}, which was replaced on ${retired_at.toISOString()}, was shown at ${gateway} from ${network}, where this token was never used.`,
  };
}
