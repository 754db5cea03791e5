import { IsCode } from '../fields.js';
import type { RequestId, TokenId } from '../ids.js';

/** The state of the log, without authentication: it holds nothing personal. */
export interface LogState {
  /** Names the log in its checkpoints and keys. */
  origin: string;
  /** The public key, `name+id+base64` (C2SP signed-note). Compare it with one from another channel. */
  vkey: string;
  /** Entries committed, signed or not. */
  size: number;
  /** The checkpoint note that strangers are shown, absent before the first: where witnesses are asked for, the last they cosigned. */
  checkpoint?: string;
  /** Entries under the newest checkpoint, which may be ahead of the one that is shown by what the witnesses have yet to see. */
  signedSize: number;
  publishedAt?: string;
  /** The witnesses that cosigned it, and when. */
  cosignatures: { name: string; at: string }[];
  /** False until a quorum of witnesses cosigns: then nobody outside would notice two different logs. */
  splitViewProtected: boolean;
  /** What this replica found wrong with the log: edits, gaps, lost openings. Empty when all is well. */
  findings: { code: string; detail: string; index?: number }[];
}

/** An entry of the log as a search shows it. */
export interface LogEntry {
  /** Its place in the log. */
  index: number;
  /** The event's id, which is its receipt. */
  event: string;
  type: string;
  tokenId?: TokenId;
  requestId?: RequestId;
  recordedAt: string;
  /** The leaf verbatim: RFC 8785 JSON whose bytes are hashed. Never write it again before hashing. */
  leaf: string;
  /** What the `_sd` digests of the leaf stand for, as far as it was not erased (RFC 9901). */
  disclosures: string[];
  /** The same, read. */
  disclosed: Record<string, unknown>;
  /** Under a published checkpoint, so that `…/proof` answers. */
  signed: boolean;
}

export interface LogEntries {
  items: LogEntry[];
  /** Give it as `cursor` for the next page; absent at the end. */
  next?: string;
}

/** One file that proves a token's life offline: compare every leaf with its proof, under a key from another channel. */
export interface ProofBundle {
  format: 'writ-proof-bundle/1';
  origin: string;
  vkey: string;
  tokenId: TokenId;
  requestId?: RequestId;
  /** Request, decision, votes, issue, every change of the token, and the batches with the uses that are told here, in order. */
  entries: ProvenEntry[];
  /** Which entry was the token's newest when heads were last sealed: with it the entries up to there are complete. */
  newest?: ProvenHead;
  /** Uses of the token; each is proven in its batch, whose leaf is one of the entries. */
  uses: ProvenUse[];
  /** Where there are more uses: ask again with `?uses=` and this number. The other entries are all here, whichever uses are told. */
  nextUses?: number;
  /** True where the token has more changes, or more uses, than this file carries. */
  truncated: boolean;
}

export interface ProvenEntry {
  index: number;
  leaf: string;
  /** A c2sp.org/tlog-proof@v1 file; checkpoint included. */
  proof: string;
  disclosures: string[];
}

export interface ProvenHead {
  /** The token's last entry in the first `data.size` entries, and its highest ordinal. */
  index: number;
  k: number;
  /** Place of `<token> <index> <k>` in the RFC 6962 tree whose root is `data.root` of the `log.heads` leaf. */
  place: number;
  proof: string[];
  heads: ProvenEntry;
}

export interface ProvenUse {
  /** Index of the batch's leaf; its `data.root` is the RFC 6962 root over `data.records` records. */
  batch: number;
  place: number;
  /** The record's leaf bytes: a disclosure named `use`. */
  disclosure: string;
  /** Inclusion of the record in its batch, standard base64, sibling first. */
  proof: string[];
}

/** Forgets a person, or what is personal in one token's or request's entries. */
export class EraseSubject {
  /** Why, as a code: `gdpr-art-17`, `retention-ended`. It stands in the public log. */
  @IsCode() basis!: string;
}

export interface EraseAnswer {
  /** So many entries lost a disclosure; their leaves and proofs are as before. */
  entries: number;
  /** The leaves that say so. */
  events: string[];
}
