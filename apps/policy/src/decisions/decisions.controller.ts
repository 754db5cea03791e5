import { Controller, Get, Param } from '@nestjs/common';
import type { StoredDecision, ReplayAnswer } from '@writ/contracts';
import { Transactions, type Db } from '@writ/messaging';
import type { Decision } from '@writ/policy';
import { replayOnThread } from '@writ/policy/threads';
import { Allow, notFound } from '@writ/service';
import { filesOf } from '../sets/policy-set.store.js';
import { decisionsOn, type DecisionRow } from './request.store.js';

/** What was decided, with everything needed to decide it again. Kept for ever, also after a request lapsed. */
@Controller('v1/decisions')
export class DecisionsController {
  constructor(private readonly transactions: Transactions<'policy'>) {}

  /** Every decision on a request: the first one, and after a review the one it ended with. */
  @Get(':requestId')
  @Allow('reviewer', 'policy-admin', 'auditor', 'admin')
  async all(@Param('requestId') requestId: string): Promise<{ items: StoredDecision[]; next: null }> {
    const items = (await this.found(requestId)).map((row) => ({
      requestId: row.request_id, requestDigest: row.request_digest, decidedAt: row.decided_at.toISOString(), activation: row.activation,
      statement: row.statement, record: JSON.parse(row.record) as Record<string, unknown>,
    }));
    return { items, next: null };
  }

  /** Decides again from the first decision's own record and the set it names. */
  @Get(':requestId/replay')
  @Allow('reviewer', 'policy-admin', 'auditor', 'admin')
  async replay(@Param('requestId') requestId: string): Promise<ReplayAnswer> {
    const [first] = await this.found(requestId);
    const record = JSON.parse((first as DecisionRow).record) as Decision;
    const files = await this.transactions.read((db: Db) => filesOf(db, record.policyDigest));
    if (!files) throw notFound('policy set');
    const { same, differences } = await replayOnThread(record, files);
    return { same, differences: [...differences] };
  }

  private async found(requestId: string): Promise<DecisionRow[]> {
    const rows = await this.transactions.read((db) => decisionsOn(db, requestId));
    if (rows.length === 0) throw notFound('decision');
    return rows;
  }
}
