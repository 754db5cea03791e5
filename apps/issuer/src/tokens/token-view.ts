import type { TokenView } from '@writ/contracts';
import type { GenerationRow, TokenRow } from './token.row.js';

export function viewOf(token: TokenRow, generations: readonly GenerationRow[]): TokenView {
  const { delivery, replaces, state } = token;
  const first = generations.find(({ generation }) => generation === 1);
  return {
    tokenId: token.token_id,
    requestId: token.request_id,
    state,
    owner: { id: token.owner_id, team: token.owner_team },
    claimant: { iss: token.claimant_iss, sub: token.claimant_sub },
    resource: token.resource,
    audience: token.audience,
    scopes: token.scopes,
    environment: token.environment,
    delivery,
    issuedAt: token.issued_at.toISOString(),
    expiresAt: token.expires_at.toISOString(),
    ...(state === 'issued' && first?.claim_before ? { claimBefore: first.claim_before.toISOString() } : {}),
    ...(token.last_used_at ? { lastUsedAt: token.last_used_at.toISOString() } : {}),
    ...(replaces ? { replaces } : {}),
    ...(token.orphaned_until ? { orphanedUntil: token.orphaned_until.toISOString() } : {}),
    generations: generations.map((row) => ({
      generation: row.generation,
      ...(row.rotation_id ? { rotationId: row.rotation_id } : {}),
      state: row.state,
      ...(row.state === 'claimable' && row.claim_before ? { claimBefore: row.claim_before.toISOString() } : {}),
      ...(row.retires_at ? { retiresAt: row.retires_at.toISOString() } : {}),
    })),
  };
}
