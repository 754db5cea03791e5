import type { DetectorLimit, Principal } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { Limits } from './detect.js';

export interface LimitRow {
  detector: string;
  most: DetectorLimit;
  reason: string;
  set_by: Principal;
  set_at: Date;
}

export function limitRows(db: Db): Promise<LimitRow[]> {
  return db.query<LimitRow>('SELECT detector, most, reason, set_by, set_at FROM detector_limit');
}

export async function limitsOf(db: Db): Promise<Limits> {
  return new Map((await limitRows(db)).map(({ detector, most }) => [detector, most]));
}

export async function setLimit(db: Db, { detector, most, reason, by }: { detector: string; most: DetectorLimit; reason: string; by: Principal }): Promise<void> {
  await db.query(
    `INSERT INTO detector_limit (detector, most, reason, set_by) VALUES ($1, $2, $3, $4)
     ON CONFLICT (detector) DO UPDATE SET most = excluded.most, reason = excluded.reason, set_by = excluded.set_by, set_at = now()`,
    [detector, most, reason, JSON.stringify(by)],
  );
}
