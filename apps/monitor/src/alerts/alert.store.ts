import { Inject, Injectable } from '@nestjs/common';
import { deriveId, digestOf, signStatement, type AlertId, type AlertStop, type Digest, type MisuseAction, type Party, type Principal, type SigningKey, type TokenId } from '@writ/contracts';
import type { Db, Tx } from '@writ/messaging';
import { Clock } from '@writ/service';
import { viewOf } from './alert-view.js';
import { explainedByDeploy, weight, type Finding } from '../detectors/detect.js';
import { Notices } from './notice.store.js';
import type { KnownToken } from '../usage/token.store.js';

export const SIGNING_KEY = Symbol('signing key');

export interface Raised {
  tokenId: string;
  token?: KnownToken;
  /** Of a detector, or what somebody proved by showing the secret. */
  verdict: Omit<Finding, 'detector'> & { detector: Finding['detector'] | 'leak' | 'burn' | 'claim' };
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
  blocked: { code: string; at: string } | null;
  state: 'open' | 'dismissed' | 'closed';
  closed_at: Date | null;
  closed_by: Principal | null;
  reason: string | null;
}

/** A proposal that the issuer hears later than this is no longer news. */
const proposalSeconds = 3_600;
/** A stop that did not come is asked for again while the misuse goes on, but not sooner than this. */
const askAgainAfter = '10 minutes';
/** A deploy that takes longer is told in parts. */
const deployWithin = '6 hours';
const dayMs = 86_400_000;

/**
 * Alerts and what they say of their owners. Once a day per token, detector and action while it is open: the rest is in
 * the series. One that somebody answered does not hide the next.
 */
@Injectable()
export class Alerts {
  constructor(@Inject(SIGNING_KEY) private readonly key: SigningKey, private readonly clock: Clock, private readonly notices: Notices) {}

  /** Records a verdict and proposes its action, signed; again, where a stop that was asked for has not come. @returns whether it was said */
  async raise(tx: Tx<'monitor'>, raised: Raised): Promise<boolean> {
    const { alertId, isNew } = await this.record(tx, raised);
    if (!isNew && !(await isOverdue(tx.db, alertId))) return false;
    const { tokenId, verdict: { detector, action, explanation }, evidence, observedAt } = raised;
    const iat = Math.floor(this.clock.now().getTime() / 1000);
    tx.emit('misuse.detected', {
      alertId, tokenId: tokenId as TokenId, detector, action, explanation: explanation.slice(0, 1024), observedAt: observedAt.toISOString(), evidenceDigest: evidenceDigest(evidence),
      statement: signStatement(this.key, 'proposal', { iat, exp: iat + proposalSeconds, alertId, tokenId, action }),
    });
    return true;
  }

  /** Records a verdict that proposes nothing, because what had to be done is done. */
  async record(tx: Tx<'monitor'>, raised: Raised): Promise<{ alertId: AlertId; isNew: boolean }> {
    const { tokenId, token, verdict: { detector, action, explanation }, evidence, observedAt, stop } = raised;
    const alertId = await nextId(tx.db, raised);
    const [added] = await tx.db.query<AlertRow>(
      `INSERT INTO alert (alert_id, token_id, owner_id, team, detector, action, explanation, evidence, observed_at, stop)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (alert_id) DO NOTHING RETURNING *`,
      [alertId, tokenId, token?.owner_id ?? null, token?.team ?? null, detector, action, explanation, JSON.stringify(evidence), observedAt, stop ? JSON.stringify(stop) : null],
    );
    if (added && isIncident(action)) {
      this.notices.opened(tx.db, viewOf(added));
      if (token) await this.changeTrust(tx, { ownerId: token.owner_id, team: token.team, code: 'incident-opened' });
    }
    return { alertId, isNew: added !== undefined };
  }

  /** Keeps when the stop that followed from an alert was in force everywhere. */
  async stopped(tx: Tx<'monitor'>, alertId: string, stop: Omit<AlertStop, 'afterMs'>): Promise<void> {
    await tx.db.query(
      `UPDATE alert SET blocked = NULL, stop = $2::jsonb || jsonb_build_object('afterMs', greatest(0, round(extract(epoch FROM $3::timestamptz - observed_at) * 1000)::bigint)) WHERE alert_id = $1`,
      [alertId, JSON.stringify(stop), stop.refusedAt],
    );
  }

  /** Keeps why the stop that an alert asked for did not come. */
  async blocked(tx: Tx<'monitor'>, alertId: string, blocked: { code: string; at: string }): Promise<void> {
    await tx.db.query('UPDATE alert SET blocked = $2 WHERE alert_id = $1 AND stop IS NULL', [alertId, JSON.stringify(blocked)]);
  }

  /** Ends what was said of a deploy's first tokens, before it could be told for one. A stop that was asked for stays for people to answer. */
  async explain(tx: Tx<'monitor'>, team: string, agent: string, at: Date): Promise<void> {
    const early = await tx.db.query<AlertRow>(
      `SELECT * FROM alert WHERE team = $1 AND state = 'open' AND action = 'notify' AND detector = ANY($2) AND observed_at > $3::timestamptz - $4::interval AND evidence->'around'->>'agent' = $5 ORDER BY alert_id FOR UPDATE`,
      [team, explainedByDeploy, at, deployWithin, agent],
    );
    for (const alert of early) await this.close(tx, alert, 'closed', undefined, 'A deploy: the same new agent on half of the tokens that the team uses.', 'deploy');
  }

  /** Ends an open alert. @returns whether it was open */
  async close(tx: Tx<'monitor'>, alert: AlertRow, state: 'dismissed' | 'closed', by?: Principal, reason?: string, code: string = `incident-${state}`): Promise<boolean> {
    const closed = await tx.db.query(
      `UPDATE alert SET state = $2, closed_at = now(), closed_by = $3, reason = $4 WHERE alert_id = $1 AND state = 'open' RETURNING 1`,
      [alert.alert_id, state, by ? JSON.stringify(by) : null, reason ?? null],
    );
    if (closed.length === 0) return false;
    if (alert.owner_id !== null && alert.team !== null && isIncident(alert.action)) {
      await this.changeTrust(tx, { ownerId: alert.owner_id, team: alert.team, code });
    }
    return true;
  }

  /** Gives alerts their owner that came before the token's issue was heard. */
  async adopt(tx: Tx<'monitor'>): Promise<void> {
    const adopted = await tx.db.query<AlertRow>(
      `UPDATE alert a SET owner_id = t.owner_id, team = t.team FROM token t
       WHERE a.owner_id IS NULL AND a.detector <> 'honeytoken' AND t.token_id = a.token_id RETURNING a.*`,
    );
    for (const alert of adopted) {
      const { owner_id, team, action, state } = alert;
      if (!owner_id || !team || !isIncident(action) || state !== 'open') continue;
      this.notices.adopted(tx.db, viewOf(alert));
      await this.changeTrust(tx, { ownerId: owner_id, team, code: 'incident-opened' });
    }
  }

  /** Hands a token's open alerts to its next owner. */
  async transfer(tx: Tx<'monitor'>, tokenId: string, from: Party, to: Party): Promise<void> {
    const moved = await tx.db.query(`UPDATE alert SET owner_id = $2, team = $3 WHERE token_id = $1 AND state = 'open' AND owner_id = $4 RETURNING 1`, [tokenId, to.id, to.team, from.id]);
    if (moved.length === 0) return;
    await this.changeTrust(tx, { ownerId: from.id, team: from.team, code: 'incident-transferred' });
    await this.changeTrust(tx, { ownerId: to.id, team: to.team, code: 'incident-transferred' });
  }

  /** Says anew what is open about an owner. The row's lock comes first: of two that change it the later one counts both. */
  private async changeTrust(tx: Tx<'monitor'>, { ownerId, team, code }: { ownerId: string; team: string; code: string }): Promise<void> {
    await tx.db.query(
      `INSERT INTO trust AS t (owner_id, team, open_incidents, version) VALUES ($1, $2, 0, 1)
       ON CONFLICT (owner_id) DO UPDATE SET version = t.version + 1, team = excluded.team`, [ownerId, team],
    );
    const [trust] = await tx.db.query<{ open_incidents: number; version: number; worst: string | null }>(
      `WITH open AS (SELECT detector, action FROM alert WHERE owner_id = $1 AND state = 'open' AND action <> 'note')
       UPDATE trust SET open_incidents = (SELECT count(*) FROM open) WHERE owner_id = $1
       RETURNING open_incidents, version, (SELECT min(detector) FROM open WHERE detector = 'honeytoken-source' AND action IN ('suspend', 'revoke')) worst`, [ownerId],
    );
    if (!trust) throw new Error('The owner’s trust row did not come back.');
    const { open_incidents: openIncidents, version, worst } = trust;
    tx.emit('trust.changed', { ownerId, team, openIncidents, version, code: worst ?? code, since: this.clock.now().toISOString() }, { version });
  }
}

/** One id a day per token, detector and action, and another after each that somebody ended: of replicas that see the same at once one raises it. */
async function nextId(db: Db, { tokenId, verdict: { detector, action }, observedAt }: Raised): Promise<AlertId> {
  const day = Math.floor(observedAt.getTime() / dayMs) * dayMs;
  const [{ ended } = { ended: 0 }] = await db.query<{ ended: number }>(
    `SELECT count(*)::int ended FROM alert WHERE token_id = $1 AND detector = $2 AND action = $3 AND state <> 'open' AND observed_at >= $4 AND observed_at < $4::timestamptz + interval '1 day'`,
    [tokenId, detector, action, new Date(day)],
  );
  return deriveId('alr', day, tokenId, detector, action, ...(ended > 0 ? [String(ended)] : []));
}

/** Whether an open alert has waited for its stop for a while; if so the wait begins anew. */
async function isOverdue(db: Db, alertId: AlertId): Promise<boolean> {
  const rows = await db.query(
    `UPDATE alert SET proposed_at = now() WHERE alert_id = $1 AND state = 'open' AND stop IS NULL AND action IN ('suspend', 'revoke') AND proposed_at < now() - $2::interval RETURNING 1`,
    [alertId, askAgainAfter],
  );
  return rows.length > 0;
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
