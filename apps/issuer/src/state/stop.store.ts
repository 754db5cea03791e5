import { Injectable } from '@nestjs/common';
import type { Actor, EventData, TokenId, TokenState } from '@writ/contracts';
import { ConcurrentChange, lookup, toJson, type Db, type Tx } from '@writ/messaging';
import { nextState, type StopKind } from './next-state.js';
import { StateLog } from './state-log.store.js';
import type { TokenRow } from '../tokens/token.row.js';

export interface Stop {
  kind: StopKind;
  by: Actor;
  code: string;
  reason?: string;
}

/** What stopping needs of a token: a million that end at once are read no wider than this. */
export type Stoppable = Pick<TokenRow, 'token_id' | 'request_id' | 'state' | 'version' | 'claimed_at'>;

export interface Stopped {
  token: Stoppable;
  state: TokenState;
  seq: number;
}

const tokenLocked = lookup<TokenRow>('SELECT * FROM token WHERE token_id = ANY($1) ORDER BY token_id FOR UPDATE', (row) => row.token_id);
const requestRevoked = 'request-revoked';
const events = { suspend: 'token.suspended', resume: 'token.resumed', revoke: 'token.revoked', expire: 'token.expired' } as const;

/** Stops tokens and lets them go on: row, state log and event in one transaction. */
@Injectable()
export class Stops {
  constructor(private readonly log: StateLog) {}

  /** The token, locked until the transaction ends. */
  locked(db: Db, tokenId: string): Promise<TokenRow | undefined> {
    return db.one(tokenLocked, tokenId);
  }

  /** Changes the tokens whose state allows it. They must be locked. @returns those that changed */
  async apply(tx: Tx<'issuer'>, tokens: readonly Stoppable[], stop: Stop): Promise<Stopped[]> {
    // What lets a token go on asks the log: its row may have been edited.
    const candidates = stop.kind === 'resume' ? await this.notEnded(tx.db, tokens) : tokens;
    const changing = candidates.flatMap((token) => {
      const state = nextState(token.state, stop.kind, token.claimed_at !== null);
      return state ? [{ token, state }] : [];
    });
    if (changing.length === 0) return [];
    const changed = await Promise.all(changing.map(async ({ token, state }) => {
      const { seq } = await this.log.append(tx.db, { kind: stop.kind, reasonCode: stop.code, tokenId: token.token_id, by: stop.by });
      return { token, state, seq };
    }));
    const by = stop.kind === 'resume' ? null : stop.by;
    const saved = await tx.db.query(
      `UPDATE token t SET state = c.state, version = t.version + 1, stopped_by = $2
       FROM json_to_recordset($1::json) AS c(token_id text, state text, version int) WHERE t.token_id = c.token_id AND t.version = c.version RETURNING 1`,
      [toJson(changed.map(({ token, state }) => ({ token_id: token.token_id, state, version: token.version }))), by && JSON.stringify(by)],
    );
    // The lock keeps other transactions out, not another message of this batch about the same token.
    if (saved.length !== changed.length) throw new ConcurrentChange('token', changed.length, saved.length);
    if (stop.kind === 'revoke' || stop.kind === 'expire') {
      await tx.db.query(`UPDATE generation SET state = 'retired' WHERE token_id = ANY($1) AND state <> 'retired'`, [changed.map(({ token }) => token.token_id)]);
    }
    for (const { token, seq } of changed) {
      const { kind, by: actor, code, reason } = stop;
      tx.emit(events[kind], { tokenId: token.token_id, requestId: token.request_id, seq, by: actor, code, reason }, { version: token.version + 1 });
    }
    return changed;
  }

  /** Of a locked token that is suspended already: from now on it is so by somebody else's word. */
  async keepStopped(db: Db, tokenId: string, by: Actor): Promise<void> {
    await db.query('UPDATE token SET stopped_by = $2 WHERE token_id = $1', [tokenId, JSON.stringify(by)]);
  }

  private async notEnded(db: Db, tokens: readonly Stoppable[]): Promise<Stoppable[]> {
    const standings = await Promise.all(tokens.map(({ token_id }) => this.log.standing(db, token_id)));
    return tokens.filter((_, i) => standings[i]?.ended === false);
  }

  /** Says an event of a locked token with its next ordinal; whoever calls saves the row's version. */
  say<T extends 'token.rotated' | 'token.retired'>(tx: Tx<'issuer'>, token: TokenRow, type: T, data: EventData<T>): void {
    token.version += 1;
    tx.emit(type, data as never, { version: token.version });
  }

  async one(tx: Tx<'issuer'>, tokenId: TokenId, stop: Stop): Promise<Stopped | undefined> {
    const token = await this.locked(tx.db, tokenId);
    return token && (await this.apply(tx, [token], stop))[0];
  }

  async revokeUnclaimed(tx: Tx<'issuer'>, tokenId: TokenId, by: Actor, code: string): Promise<void> {
    const token = await this.locked(tx.db, tokenId);
    if (token?.state === 'issued') await this.apply(tx, [token], { kind: 'revoke', by, code });
  }

  /** Ends everything of an owner, or of everybody, that was issued before: one entry, however many tokens. */
  async endAll(tx: Tx<'issuer'>, ownerId: string | undefined, code: string, by?: Actor): Promise<number> {
    return (await this.log.append(tx.db, { kind: 'epoch', reasonCode: code, by, ...(ownerId === undefined ? {} : { ownerId }) })).seq;
  }

  /** Place of the last change of these tokens as wholes: whoever repeats a stop waits for it again. */
  async lastSeq(db: Db, tokenIds: readonly string[]): Promise<number> {
    const [row] = await db.query<{ seq: string }>('SELECT max(seq) AS seq FROM state_log WHERE token_id = ANY($1) AND generation IS NULL', [tokenIds]);
    return Number(row?.seq ?? 0);
  }

  /**
   * Revokes the token of a request, and those that replaced it; nothing is issued in place of them any more.
   * @returns the place of their last change, this one or an earlier; undefined where there is none
   */
  async endRequest(tx: Tx<'issuer'>, requestId: string, by: Actor, reason: string): Promise<number | undefined> {
    // Noted with the request: a token that had ended before has no entry in the log that would tell. Before the tokens: who issues locks in this order too.
    await tx.db.query(`UPDATE request SET code = $2 WHERE request_id = $1 AND state = 'issued'`, [requestId, requestRevoked]);
    let tokens = await lockChain(tx.db, requestId);
    // What replaces one of them is issued under its lock: what came of that while we waited for it is there by now.
    for (let seen = 0; seen < tokens.length;) {
      seen = tokens.length;
      tokens = await lockChain(tx.db, requestId);
    }
    const stopped = await this.apply(tx, tokens, { kind: 'revoke', by, code: requestRevoked, reason });
    if (stopped.length > 0) return Math.max(...stopped.map(({ seq }) => seq));
    return tokens.length === 0 ? undefined : this.lastSeq(tx.db, tokens.map(({ token_id }) => token_id));
  }
}

/** Locks the token of a request, and those that replaced it. */
function lockChain(db: Db, requestId: string): Promise<TokenRow[]> {
  return db.query<TokenRow>(
    `WITH RECURSIVE chain AS (
       SELECT token_id FROM token WHERE request_id = $1 UNION SELECT t.token_id FROM token t JOIN chain c ON t.replaces = c.token_id
     ) SELECT * FROM token WHERE token_id IN (SELECT token_id FROM chain) ORDER BY token_id FOR UPDATE`, [requestId],
  );
}

/**
 * Whether the request was revoked that the token, or one that it replaced in its turn, was issued for. The token's lock is
 * kept, for which revoking waits: what is issued under it is found there.
 */
export async function endedWithItsRequest(db: Db, tokenId: TokenId): Promise<boolean> {
  await db.query('SELECT 1 FROM token WHERE token_id = $1 FOR KEY SHARE', [tokenId]);
  const ended = await db.query(
    `WITH RECURSIVE chain AS (
       SELECT request_id, replaces FROM token WHERE token_id = $1 UNION SELECT t.request_id, t.replaces FROM token t JOIN chain c ON t.token_id = c.replaces
     ) SELECT 1 FROM request JOIN chain USING (request_id) WHERE code = $2 LIMIT 1`, [tokenId, requestRevoked],
  );
  return ended.length > 0;
}
