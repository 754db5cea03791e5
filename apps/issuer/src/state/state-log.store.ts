import { Inject, Injectable } from '@nestjs/common';
import DataLoader from 'dataloader';
import type { Actor } from '@writ/contracts';
import { lookup, toJson, type Db } from '@writ/messaging';
import { unhurried } from '@writ/service';
import { chainBytes, type KeyProvider, type StateEntry } from '@writ/token';
import { KEYS } from '../keys.store.js';

/** A change of what verifiers may say, before it has its place. */
export type Change = Omit<StateEntry, 'seq' | 'at'> & {
  /** Beside the chain: it tells people, and decides nothing. */
  by?: Actor;
};

export interface Head {
  incarnation: string;
  seq: number;
  chain: Buffer;
}

export interface LogRow {
  seq: string;
  kind: StateEntry['kind'];
  at: Date;
  reason_code: string;
  token_id: string | null;
  generation: number | null;
  owner_id: string | null;
  request_id: string | null;
  epoch: string | null;
  by: Actor | null;
  kid: string;
  chain: Buffer;
}

/** What the log says of a token as a whole; its row may say something else where somebody edited it. */
export interface Standing {
  token_id: string;
  /** An epoch of its owner, or of everybody, came after it, or it was revoked or expired: for ever, whatever came then. */
  ended: boolean;
  suspended: boolean;
}

const standings = lookup<Standing>(
  `SELECT t.token_id, coalesce(last.kind = 'suspend', false) AS suspended,
     EXISTS (SELECT 1 FROM state_log l WHERE l.token_id = t.token_id AND l.generation IS NULL AND l.kind IN ('revoke', 'expire'))
     OR EXISTS (SELECT 1 FROM state_log l WHERE l.kind = 'epoch' AND l.seq > t.issue_seq AND l.owner_id = t.owner_id)
     OR EXISTS (SELECT 1 FROM state_log l WHERE l.kind = 'epoch' AND l.seq > t.issue_seq AND l.owner_id IS NULL) AS ended
   FROM token t LEFT JOIN LATERAL (SELECT kind FROM state_log l WHERE l.token_id = t.token_id AND l.generation IS NULL ORDER BY seq DESC LIMIT 1) last ON true
   WHERE t.token_id = ANY($1)`,
  (row) => row.token_id,
);

/**
 * The append-only log of every change of state. The head's row stays locked from the numbering to the commit, so the
 * order of numbers is the order of commits. Lock token rows before appending: the head is always the last lock.
 */
@Injectable()
export class StateLog {
  private readonly appending = new WeakMap<Db, DataLoader<Change, StateEntry>>();

  constructor(@Inject(KEYS) private readonly keys: KeyProvider) {}

  /** Appends within the transaction; changes of one turn of the event loop take one lock and one statement together, those of two follow each other. */
  append(db: Db, change: Change): Promise<StateEntry> {
    let loader = this.appending.get(db);
    if (!loader) {
      let last: Promise<unknown> = Promise.resolve();
      loader = new DataLoader((changes) => {
        const written = last.then(() => this.write(db, changes));
        last = written.catch(() => undefined); // Whoever waits for those changes hears of it.
        return written;
      }, { cache: false });
      this.appending.set(db, loader);
    }
    return loader.load(change);
  }

  /** How a locked token stands, after which nothing is appended before this transaction has ended: what is decided by it stays true. */
  async standing(db: Db, tokenId: string): Promise<Standing> {
    await db.query('SELECT 1 FROM state_head FOR UPDATE');
    return (await db.one(standings, tokenId)) as Standing;
  }

  private async write(db: Db, changes: readonly Change[]): Promise<StateEntry[]> {
    const [head] = await db.query<{ seq: string; chain: Buffer; at: Date }>('SELECT seq, chain, clock_timestamp() AS at FROM state_head FOR UPDATE');
    if (!head) throw new Error('The state log has no head; its migrations have not run.');
    const kid = this.keys.keys('state').current;
    const entries: StateEntry[] = [];
    const rows: object[] = [];
    let seq = Number(head.seq);
    let chain: Buffer = head.chain;
    for await (const { by, ...change } of unhurried(changes)) {
      seq += 1;
      const entry: StateEntry = { ...change, seq, at: head.at.toISOString(), ...(change.kind === 'epoch' ? { epoch: seq } : {}) };
      chain = await this.keys.mac('state', chainBytes(chain, entry), kid);
      entries.push(entry);
      rows.push({ ...rowOf(entry, kid, chain), by });
    }
    await db.query(
      `WITH moved AS (UPDATE state_head SET seq = $2, chain = $3)
       INSERT INTO state_log SELECT * FROM json_populate_recordset(NULL::state_log, $1::json)`,
      [toJson(rows), seq, chain],
    );
    return entries;
  }
}

function rowOf(entry: StateEntry, kid: string, chain: Buffer): object {
  return {
    seq: entry.seq, kind: entry.kind, at: entry.at, reason_code: entry.reasonCode, token_id: entry.tokenId, generation: entry.generation,
    owner_id: entry.ownerId, request_id: entry.requestId, epoch: entry.epoch, kid, chain,
  };
}

export function entryOf(row: Omit<LogRow, 'by'>): StateEntry {
  return {
    seq: Number(row.seq),
    kind: row.kind,
    at: row.at.toISOString(),
    reasonCode: row.reason_code,
    ...(row.token_id === null ? {} : { tokenId: row.token_id }),
    ...(row.generation === null ? {} : { generation: row.generation }),
    ...(row.owner_id === null ? {} : { ownerId: row.owner_id }),
    ...(row.request_id === null ? {} : { requestId: row.request_id }),
    ...(row.epoch === null ? {} : { epoch: Number(row.epoch) }),
  };
}
