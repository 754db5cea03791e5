import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import {
  addSignatures, cosignCheckpoint, formatNote, formatSignature, judgeAddCheckpoint, parseAddCheckpoint, parseCheckpoint, parseNote, parsePolicy, SignerKey, TlogError,
  type VerifierKey, type WitnessedHead, type WitnessVerdict,
} from '@writ/tlog';
import { Transactions, type Db } from '@writ/messaging';
import { Clock } from '@writ/service';
import { AuditConfig } from '../config.js';

export interface WitnessReply {
  status: number;
  contentType: string;
  body: string;
}

/**
 * This service as a witness of other logs (C2SP tlog-witness). The largest head seen of a log is compared and replaced
 * under the lock of its row, and committed before anything is signed: a crash in between loses a signature, never a head.
 */
@Injectable()
export class Witness {
  private readonly key?: SignerKey;
  private readonly logs: Map<string, VerifierKey[]>;

  constructor(config: AuditConfig, private readonly transactions: Transactions<'audit'>, private readonly clock: Clock) {
    if (config.witnessKey) this.key = SignerKey.parse(config.witnessKey);
    const policy = config.witnessLogsFile ? parsePolicy(readFileSync(config.witnessLogsFile)) : undefined;
    this.logs = new Map(policy?.logs.map(({ key }) => [key.name, policy.logs.filter((log) => log.key.name === key.name).map((log) => log.key)]));
  }

  /** Undefined where this service is no witness. */
  async addCheckpoint(body: string): Promise<WitnessReply | undefined> {
    const { key } = this;
    if (!key) return undefined;
    const verdict = await this.transactions.run((tx) => this.judge(tx.db, body));
    if (verdict.outcome === 'refuse') return verdict.refusal;
    const signature = cosignCheckpoint(verdict.checkpoint.note, key, Math.floor(this.clock.nowMs() / 1_000));
    return { status: 200, contentType: 'text/plain; charset=utf-8', body: formatSignature(signature) };
  }

  /** The newest checkpoint that was cosigned of a log, by the SHA-256 of its origin, with the cosignature of that moment. */
  async cosigned(originHash: string): Promise<string | undefined> {
    const { key } = this;
    const origin = [...this.logs.keys()].find((name) => hash('sha256', name) === originHash);
    if (!key || origin === undefined) return undefined;
    const [row] = await this.transactions.read((db) => db.query<{ note: string | null; at: Date }>('SELECT note, witnessed_at AS at FROM witnessed WHERE origin = $1', [origin]));
    if (!row?.note) return undefined;
    const note = parseNote(row.note);
    return formatNote(addSignatures(note, [cosignCheckpoint(note, key, Math.floor(row.at.getTime() / 1_000))]));
  }

  private async judge(db: Db, body: string): Promise<WitnessVerdict> {
    const origin = originIn(body);
    const head = origin !== undefined && this.logs.has(origin) ? await lockedHead(db, origin) : undefined;
    const verdict = judgeAddCheckpoint(body, (name) => this.logs.get(name), () => head);
    if (verdict.outcome === 'cosign') {
      const { size, root } = verdict.checkpoint;
      await db.query('UPDATE witnessed SET size = $2, root = $3, note = $4, witnessed_at = now() WHERE origin = $1', [origin, size, root, parseAddCheckpoint(body).checkpoint]);
    }
    return verdict;
  }
}

function originIn(body: string): string | undefined {
  try {
    return parseCheckpoint(parseNote(parseAddCheckpoint(body).checkpoint).text).origin;
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}

async function lockedHead(db: Db, origin: string): Promise<WitnessedHead | undefined> {
  await db.query('INSERT INTO witnessed (origin) VALUES ($1) ON CONFLICT DO NOTHING', [origin]);
  const [row] = await db.query<{ size: string; root: Buffer | null }>('SELECT size, root FROM witnessed WHERE origin = $1 FOR UPDATE', [origin]);
  return row?.root ? { size: Number(row.size), root: row.root } : undefined;
}
