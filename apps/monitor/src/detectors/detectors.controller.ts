import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { detectors, LimitDetector, type Detector, type DetectorView, type ResponseRule } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, notFound, principalOf, type Caller } from '@writ/service';
import { limitRows, setLimit, type LimitRow } from './limit.store.js';
import { otherwise } from './respond.js';
import { responseRules } from './response.store.js';

/** What each detector may do: all of it, less, or nothing. */
@Controller('v1/detectors')
export class DetectorsController {
  constructor(private readonly transactions: Transactions<'monitor'>) {}

  @Get()
  @Allow()
  async list(): Promise<{ items: DetectorView[] }> {
    return this.transactions.read(async (db) => {
      const [limits, rules] = [await limitRows(db), await responseRules(db)];
      return { items: detectors.map((detector) => viewOf(detector, limits, rules)) };
    });
  }

  /** The kill switch. Takes effect with the next use that is judged. */
  @Post(':detector')
  @HttpCode(200)
  @AllowAfterStepUp('admin')
  async limit(@Param('detector') detector: string, @Body(bodyOf(LimitDetector)) { most, reason }: LimitDetector, @CallerOf() caller: Caller): Promise<DetectorView> {
    if (!detectors.includes(detector as Detector)) throw notFound('detector');
    return this.transactions.run(async (tx) => {
      const by = principalOf(caller);
      await setLimit(tx.db, { detector, most, reason, by });
      tx.emit('monitoring.changed', { change: 'detector-limited', by, detector, most, reason }, { subject: 'monitoring' });
      return viewOf(detector, await limitRows(tx.db), await responseRules(tx.db));
    });
  }
}

function viewOf(detector: string, limits: readonly LimitRow[], rules: readonly ResponseRule[]): DetectorView {
  const row = limits.find((each) => each.detector === detector);
  const limit = row ? { most: row.most, reason: row.reason, setBy: row.set_by, setAt: row.set_at.toISOString() } : { most: 'revoke' as const };
  return { detector, ...limit, otherwise: otherwise(detector), rules: rules.filter((rule) => rule.detectors?.includes(detector) ?? true) };
}
