import { Inject, Injectable } from '@nestjs/common';
import { deriveId, digestOf, signStatement, type AlertId, type AlertStop, type Digest, type MisuseAction, type Principal, type SigningKey, type TokenId } from '@writ/contracts';
import type { Db, Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { weight, type Finding } from './detect.js';
import type { KnownToken } from './token.store.js';

export const SIGNING_KEY = Symbol('signing key');

export interface Raised {
  tokenId: string;
  token?: KnownToken;
  /** Of a detector, or what somebody proved by showing the secret. */
  verdict: Omit<Finding, 'detector'> & { detector: Finding['detector'] | 'leak' | 'burn' };
  evidence: object;
  observedAt: Date;
  /** What came of it, where that is known already. */
  stop?: AlertStop;
}

export interface AlertRow {
  alert_id: AlertId;
  token_id: TokenId;
  owner_id: string | null;
  team: string | null;
  detector: string;
  action: MisuseAction;
  explanation: string;
  evidence: object;
  observed_at: Date;
  stop: AlertStop | null;
  state: 'open' | 'dismissed' | 'closed';
  closed_at: Date | null;
  closed_by: Principal | null;
  reason: string | null;
}

/** A proposal that the issuer hears later than this is no longer news. */
const proposalSeconds = 3_600;
const dayMs = 86_400_000;

/** Alerts and what they say of their owners. Once a day per token, detector and action: the rest is in the series. */
@Injectable()
export class Alerts {
  constructor(@Inject(SIGNING_KEY) private readonly key: SigningKey, private readonly clock: Clock) {}

  /** Records a verdict and proposes its action, signed. @returns whether it was new */
  async raise(tx: Tx<'monitor'>, raised: Raised): Promise<boolean> {
    const { tokenId, verdict: { detector, action, explanation }, evidence, observedAt } = raised;
    const alertId = await this.record(tx, raised);
    if (!alertId) return false;
    const iat = Math.floor(this.clock.now().getTime() / 1000);
    tx.emit('misuse.detected', {
      alertId, tokenId: tokenId as TokenId, detector, action, explanation: explanation.slice(0, 1024), observedAt: observedAt.toISOString(), evidenceDigest: evidenceDigest(evidence),
      statement: signStatement(this.key, 'proposal', { iat, exp: iat + proposalSeconds, alertId, tokenId, action }),
    });
    return true;
  }

  /** Records a verdict that proposes nothing, because what had to be done is done. @returns its id where it was new */
  async record(tx: Tx<'monitor'>, { tokenId, token, verdict: { detector, action, explanation }, evidence, observedAt, stop }: Raised): Promise<AlertId | undefined> {
    const day = Math.floor(observedAt.getTime() / dayMs) * dayMs;
    const alertId = deriveId('alr', day, tokenId, detector, action);
    const isNew = await tx.db.query(
      `INSERT INTO alert (alert_id, token_id, owner_id, team, detector, action, explanation, evidence, observed_at, stop)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (alert_id) DO NOTHING RETURNING 1`,
      [alertId, tokenId, token?.owner_id ?? null, token?.team ?? null, detector, action, explanation, JSON.stringify(evidence), observedAt, stop ? JSON.stringify(stop) : null],
    );
    if (isNew.length === 0) return undefined;
    if (token && isIncident(action)) await this.changeTrust(tx, { ownerId: token.owner_id, team: token.team, by: 1, code: 'incident-opened' });
    return alertId;
  }

  /** Keeps when the stop that followed from an alert was in force everywhere. */
  async stopped(tx: Tx<'monitor'>, alertId: string, stop: Omit<AlertStop, 'afterMs'>): Promise<void> {
    await tx.db.query(
      `UPDATE alert SET stop = $2::jsonb || jsonb_build_object('afterMs', greatest(0, round(extract(epoch FROM $3::timestamptz - observed_at) * 1000)::bigint)) WHERE alert_id = $1`,
      [alertId, JSON.stringify(stop), stop.refusedAt],
    );
  }

  /** Ends an open alert. @returns whether it was open */
  async close(tx: Tx<'monitor'>, alert: AlertRow, state: 'dismissed' | 'closed', by?: Principal, reason?: string): Promise<boolean> {
    const closed = await tx.db.query(
      `UPDATE alert SET state = $2, closed_at = now(), closed_by = $3, reason = $4 WHERE alert_id = $1 AND state = 'open' RETURNING 1`,
      [alert.alert_id, state, by ? JSON.stringify(by) : null, reason ?? null],
    );
    if (closed.length === 0) return false;
    if (alert.owner_id !== null && alert.team !== null && isIncident(alert.action)) {
      await this.changeTrust(tx, { ownerId: alert.owner_id, team: alert.team, by: -1, code: state === 'dismissed' ? 'incident-dismissed' : 'incident-closed' });
    }
    return true;
  }

  /** Gives alerts their owner that came before the token's issue was heard. */
  async adopt(tx: Tx<'monitor'>): Promise<void> {
    const adopted = await tx.db.query<AlertRow>(
      `UPDATE alert a SET owner_id = t.owner_id, team = t.team FROM token t
       WHERE a.owner_id IS NULL AND a.detector <> 'honeytoken' AND t.token_id = a.token_id RETURNING a.*`,
    );
    for (const { owner_id, team, action, state } of adopted) {
      if (owner_id && team && isIncident(action) && state === 'open') await this.changeTrust(tx, { ownerId: owner_id, team, by: 1, code: 'incident-opened' });
    }
  }

  private async changeTrust(tx: Tx<'monitor'>, { ownerId, team, by, code }: { ownerId: string; team: string; by: number; code: string }): Promise<void> {
    const [trust] = await tx.db.query<{ open_incidents: number; version: number }>(
      `INSERT INTO trust AS t (owner_id, team, open_incidents, version) VALUES ($1, $2, greatest($3, 0), 1)
       ON CONFLICT (owner_id) DO UPDATE SET open_incidents = greatest(t.open_incidents + $3, 0), version = t.version + 1, team = excluded.team
       RETURNING open_incidents, version`,
      [ownerId, team, by],
    );
    if (!trust) throw new Error('The owner’s trust row did not come back.');
    tx.emit('trust.changed', { ownerId, team, openIncidents: trust.open_incidents, version: trust.version, code, since: this.clock.now().toISOString() }, { version: trust.version });
  }
}

/** Names evidence as it comes back from the database: what has no JSON form is not part of it. */
export function evidenceDigest(evidence: object): Digest {
  return digestOf(JSON.parse(JSON.stringify(evidence)));
}

export function isIncident(action: MisuseAction): boolean {
  return weight[action] >= weight.notify;
}

export interface AlertFilter {
  /** Only alerts on tokens of this owner or team; absent for who may see all. */
  of?: { sub: string; team?: string };
  tokenId?: string;
  state?: string;
  /** Only alerts of this action and above. */
  actions?: readonly MisuseAction[];
  before?: string;
  limit: number;
}

export function listAlerts(db: Db, { of, tokenId, state, actions, before, limit }: AlertFilter): Promise<AlertRow[]> {
  return db.query<AlertRow>(
    `SELECT * FROM alert WHERE ($1::text IS NULL OR ((owner_id = $1 OR team = $2) AND detector <> 'honeytoken')) AND ($3::text IS NULL OR token_id = $3)
       AND ($4::text IS NULL OR state = $4) AND ($5::text[] IS NULL OR action = ANY($5)) AND ($6::text IS NULL OR alert_id < $6) ORDER BY alert_id DESC LIMIT $7`,
    [of?.sub ?? null, of?.team ?? null, tokenId ?? null, state ?? null, actions ?? null, before ?? null, limit],
  );
}

export async function alertById(db: Db, alertId: string, lock = false): Promise<AlertRow | undefined> {
  return (await db.query<AlertRow>(`SELECT * FROM alert WHERE alert_id = $1${lock ? ' FOR UPDATE' : ''}`, [alertId]))[0];
}
