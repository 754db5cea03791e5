import type { AlertView } from '@writ/contracts';
import type { AlertRow } from './alert.store.js';

/** An alert as people see it: without its evidence, which may be long. */
export function viewOf(row: AlertRow): AlertView {
  return {
    alertId: row.alert_id,
    tokenId: row.token_id,
    ...(row.owner_id !== null && row.team !== null ? { owner: { id: row.owner_id, team: row.team } } : {}),
    detector: row.detector,
    action: row.action,
    explanation: row.explanation,
    observedAt: row.observed_at.toISOString(),
    ...(row.stop ? { stop: row.stop } : {}),
    ...(row.blocked ? { blocked: row.blocked } : {}),
    state: row.state,
    ...(row.closed_at ? { closedAt: row.closed_at.toISOString() } : {}),
    ...(row.closed_by ? { closedBy: row.closed_by } : {}),
    ...(row.reason !== null ? { reason: row.reason } : {}),
  };
}
