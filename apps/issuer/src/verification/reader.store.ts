import { Inject, Injectable } from '@nestjs/common';
import type { TokenState } from '@writ/contracts';
import { Transactions, type Db } from '@writ/messaging';
import { chainBytes, macEquals, type KeyProvider } from '@writ/token';
import { KEYS } from '../keys.store.js';
import { Secrets } from '../tokens/secret.store.js';
import { contradicts, stateByLog, type KnownToken, type LogFacts } from '../state/state-by-log.js';
import { entryOf, type LogRow } from '../state/state-log.store.js';
import { ownedSeq } from '../tokens/as-written.store.js';
import { sealOf, type SealedFacts } from '../tokens/token.row.js';

export interface Reading {
  incarnation: string;
  /** Head of the state log in the snapshot that was read. */
  seq: number;
  /** Database time before the snapshot. */
  asOf: Date;
  /** Monotonic time before the read. */
  begun: number;
  /** By the digest that was asked for. */
  tokens: ReadonlyMap<string, KnownToken>;
}

interface ReadRow extends SealedFacts, LogFacts {
  verifier: Buffer;
  generation: number;
  minted_seq: string;
  secret_mac: Buffer;
  secret_mac_kid: string;
  previous_chain: Buffer | null;
  row_state: TokenState;
  owned_seq: string | null;
}

/** One snapshot: the head, and for each verifier its token with what the log says of it. */
const readSql = `
  SELECT h.incarnation, h.seq AS head_seq, statement_timestamp() AS as_of, r.* FROM state_head h LEFT JOIN (
    SELECT s.verifier, s.generation, s.minted_seq, s.mac AS secret_mac, s.mac_kid AS secret_mac_kid,
      t.token_id, t.request_id, t.request_digest, t.owner_id, t.claimant_iss, t.claimant_sub, t.audience, t.scopes, t.environment, t.expires_at, t.issue_seq,
      t.state AS row_state, t.networks, t.rate_per_minute,
      last.seq, last.kind, last.at, last.reason_code, last.token_id AS log_token_id, last.owner_id AS log_owner_id, last.request_id AS log_request_id, last.kid, last.chain,
      ${ownedSeq('s.token_id')} AS owned_seq,
      (SELECT chain FROM state_log p WHERE p.seq = last.seq - 1) AS previous_chain,
      (SELECT retires_at FROM generation g WHERE g.token_id = s.token_id AND g.generation = s.generation AND EXISTS (
        SELECT FROM generation n WHERE n.token_id = g.token_id AND n.generation > g.generation AND n.state IN ('delivered', 'used'))) AS retires_at,
      (SELECT max(seq) FROM state_log l WHERE l.token_id = s.token_id AND l.generation = s.generation AND l.kind = 'retire') AS retired_seq,
      (SELECT seq FROM state_log l WHERE l.kind = 'epoch' AND l.owner_id = t.owner_id ORDER BY seq DESC LIMIT 1) AS owner_epoch_seq,
      (SELECT seq FROM state_log l WHERE l.kind = 'epoch' AND l.owner_id IS NULL ORDER BY seq DESC LIMIT 1) AS epoch_seq
    FROM secret s JOIN token t USING (token_id)
    LEFT JOIN LATERAL (SELECT * FROM state_log l WHERE l.token_id = s.token_id AND l.generation IS NULL ORDER BY seq DESC LIMIT 1) last ON true
    WHERE s.verifier = ANY($1)
  ) r ON true`;

type LogColumns = { log_token_id: string | null; log_owner_id: string | null; log_request_id: string | null } & Pick<LogRow, 'seq' | 'kind' | 'at' | 'reason_code' | 'kid' | 'chain'>;
type HeadColumns = { incarnation: string; head_seq: string; as_of: Date };
type Row = HeadColumns & LogColumns & ReadRow;

/** Reads what a secret is worth, from the database and the state log in it. Rows never override the log. */
@Injectable()
export class Reader {
  constructor(private readonly transactions: Transactions<'issuer'>, private readonly secrets: Secrets, @Inject(KEYS) private readonly keys: KeyProvider) {}

  /** @param digests inner digests, one character per byte */
  async read(digests: readonly string[]): Promise<Reading> {
    const byVerifier = new Map<string, string>();
    const verifiers: Buffer[] = [];
    for (const digest of digests) {
      for (const verifier of await this.secrets.verifiersOf(Buffer.from(digest, 'latin1'))) {
        verifiers.push(verifier);
        byVerifier.set(verifier.toString('latin1'), digest);
      }
    }
    const begun = performance.now();
    const rows = await this.transactions.read((db: Db) => db.query<Row>(readSql, [verifiers]));
    const [head] = rows;
    if (!head) throw new Error('The state log has no head; its migrations have not run.');
    const tokens = new Map<string, KnownToken>();
    for (const row of rows) {
      // Read outside the join: without a match there is one row, of the head alone.
      if (row.verifier === null) continue;
      const digest = byVerifier.get(row.verifier.toString('latin1'));
      const known = await this.believed(row);
      if (digest !== undefined && known) tokens.set(digest, known);
    }
    return { incarnation: head.incarnation, seq: Number(head.head_seq), asOf: head.as_of, begun, tokens };
  }

  /** What was edited in the database, was put back from before a transfer, or is not in the log, does not exist. */
  private async believed(row: Row): Promise<KnownToken | undefined> {
    const { verifier, generation, minted_seq } = row;
    const seal = await sealOf(this.keys, row, row.secret_mac_kid, { verifier, generation, minted_seq });
    if (!macEquals(seal, row.secret_mac) || row.owned_seq !== row.issue_seq) return undefined;
    if (row.seq === null || row.previous_chain === null && row.seq !== '1') return undefined;
    const entry = entryOf({ ...row, token_id: row.log_token_id, owner_id: row.log_owner_id, request_id: row.log_request_id, generation: null, epoch: null });
    const link = await this.keys.mac('state', chainBytes(row.previous_chain ?? Buffer.alloc(32), entry), row.kid);
    if (!macEquals(link, row.chain)) return undefined;
    const known = stateByLog(row, row);
    return contradicts(row.row_state, known.state) ? undefined : known;
  }
}
