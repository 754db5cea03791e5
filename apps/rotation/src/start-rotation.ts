import { deriveId, type CampaignId, type Principal, type RotationCause, type RotationId } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { firstLookAt } from './advance.js';
import type { Orders } from './orders.store.js';
import { spanOf, type Terms } from './plan-rotation.js';
import { lifeOf, type DueToken } from './token.store.js';

export interface Asked {
  by: Principal;
  reason?: string;
  /** The same key of the same caller is the same rotation. */
  requestKey?: string;
  /** The mass rotation that it is part of. */
  campaignId?: CampaignId;
}

/**
 * Starts a rotation: a row and an event, both or neither. The caller holds the token's lock and knows that none is open;
 * if it was wrong, the row's unique index fails the transaction.
 */
export function startRotation(tx: Tx<'rotation'>, orders: Orders, token: DueToken, cause: RotationCause, terms: Terms, asked?: Asked): RotationId {
  const startedAt = token.now;
  const rotationId = deriveId('rot', startedAt.getTime(), token.token_id, cause);
  const { deadlineAt, claimBefore } = spanOf(lifeOf(token), cause, startedAt, terms);
  tx.db.insert('rotation', {
    rotation_id: rotationId, token_id: token.token_id, cause, started_at: startedAt, deadline_at: deadlineAt, claim_before: claimBefore,
    requested_by: asked?.by ?? null, reason: asked?.reason ?? null, request_key: asked?.requestKey ?? null,
    campaign_id: asked?.campaignId ?? null,
    watch_at: firstLookAt(startedAt), nudges: 0,
  });
  orders.due(tx, {
    tokenId: token.token_id, rotationId, cause, deadlineAt: deadlineAt.toISOString(), claimBefore: claimBefore.toISOString(), by: asked?.by, reason: asked?.reason,
  });
  return rotationId;
}
