import { Injectable } from '@nestjs/common';
import type { UploadedUse, UsageBatchBody } from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { notFound } from '@writ/service';
import { agentFamily } from './usage-book.js';
import { Usage } from './usage.store.js';

/** Usage that verifiers upload, told on as the issuer's own. */
@Injectable()
export class Uploads {
  constructor(private readonly usage: Usage) {}

  /** Once per batch number: whoever had no answer sends it again. A gateway can only speak of tokens of its audiences. */
  async take(tx: Tx<'issuer'>, clientId: string, { verifierId, batch, records, watermark, lost }: UsageBatchBody): Promise<void> {
    const [verifier] = await tx.db.query<{ last_batch: string; watermark: Date | null }>(
      'SELECT last_batch, watermark FROM verifier WHERE verifier_id = $1 AND client_id = $2 FOR UPDATE', [verifierId, clientId],
    );
    if (!verifier) throw notFound('verifier');
    if (batch <= Number(verifier.last_batch)) return;
    // After a loss nothing is known of the time since the last watermark, so it stays where it was.
    const proven = lost > 0 ? undefined : watermark;
    await tx.db.query('UPDATE verifier SET last_batch = $2, watermark = coalesce($3, watermark) WHERE verifier_id = $1', [verifierId, batch, proven ?? null]);
    if (lost > 0) await perhapsUsed(tx, clientId);
    const visible = new Set((await tx.db.query<{ token_id: string }>(
      `SELECT token_id FROM token WHERE token_id = ANY($1) AND audience = ANY((SELECT audiences FROM gateway WHERE client_id = $2)::text[])`,
      [records.map(({ tokenId }) => tokenId), clientId],
    )).map(({ token_id }) => token_id));
    const known = records.filter(({ tokenId }) => visible.has(tokenId)).map((use) => recordOf(use, clientId));
    const before = proven ?? verifier.watermark?.toISOString() ?? new Date(0).toISOString();
    if (known.length > 0 || proven !== undefined) await this.usage.record(tx, verifierId, before, known);
  }
}

/** What was lost may have been uses of any secret that is about to retire: of none is it known that nobody shows it. */
async function perhapsUsed(tx: Tx<'issuer'>, clientId: string): Promise<void> {
  await tx.db.query(
    `UPDATE generation SET last_used_at = now() WHERE (token_id, generation) IN (
       SELECT g.token_id, g.generation FROM generation g JOIN token t USING (token_id)
       WHERE g.retires_at IS NOT NULL AND g.state <> 'retired' AND t.audience = ANY((SELECT audiences FROM gateway WHERE client_id = $1)::text[])
       ORDER BY g.token_id, g.generation FOR UPDATE OF g)`, [clientId],
  );
}

function recordOf({ tokenId, generation, code, scopesUsed, scopesDenied, network, agent, count, at, firstAt = at }: UploadedUse, gateway: string): Parameters<Usage['record']>[3][number] {
  return {
    tokenId, generation, code, gateway, network, agent: agentFamily(agent), scopes: code === 'INSUFFICIENT_SCOPE' ? undefined : scopesUsed,
    denied: scopesDenied.length > 0 ? scopesDenied : undefined, count, firstAt, lastAt: at,
  };
}
