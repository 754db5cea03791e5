import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { LimitDetector, type DetectorView } from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, notFound, principalOf, type Caller } from '@writ/service';
import { detectors, type Detector } from './detect.js';
import { limitRows, setLimit } from './limit.store.js';

/** What each detector may do: all of it, less, or nothing. */
@Controller('v1/detectors')
export class DetectorsController {
  constructor(private readonly transactions: Transactions<'monitor'>) {}

  @Get()
  @Allow()
  async list(): Promise<{ items: DetectorView[] }> {
    const rows = await this.transactions.read(limitRows);
    return {
      items: detectors.map((detector) => {
        const row = rows.find((each) => each.detector === detector);
        return row ? { detector, most: row.most, reason: row.reason, setBy: row.set_by, setAt: row.set_at.toISOString() } : { detector, most: 'suspend' };
      }),
    };
  }

  /** The kill switch. Takes effect with the next use that is judged. */
  @Post(':detector')
  @HttpCode(200)
  @AllowAfterStepUp('admin')
  async limit(@Param('detector') detector: string, @Body(bodyOf(LimitDetector)) { most, reason }: LimitDetector, @CallerOf() caller: Caller): Promise<DetectorView> {
    if (!detectors.includes(detector as Detector)) throw notFound('detector');
    await this.transactions.run((tx) => setLimit(tx.db, { detector, most, reason, by: principalOf(caller) }));
    return { detector, most, reason, setBy: principalOf(caller) };
  }
}
