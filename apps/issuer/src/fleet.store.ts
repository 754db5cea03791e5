import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { FleetReceipt } from '@writ/contracts';

/** The longest lease of any verifier, with what clocks may differ by. */
const fullLeaseMs = 1_000;

/** The verifiers outside the issuer, and waiting for them. */
@Injectable()
export class Fleet {
  /** Returns when no verifier under lease answers from before the entry. */
  async fence(_seq: number): Promise<FleetReceipt[]> {
    await sleep(fullLeaseMs);
    return [];
  }
}
