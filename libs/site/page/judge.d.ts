/** A leaf of the log, as far as it is judged. All integers are decimal text. */
export interface JudgedLeaf {
  type: string;
  seq: string;
  log: string;
  ts: string;
  rec: string;
  prev?: string;
  k?: string;
  token?: string;
  request?: string;
  data?: Record<string, unknown>;
  _sd?: string[];
}

export type OmissionCode =
  /** An entry is not a leaf of this log and place. */
  | 'leaf-malformed' | 'leaf-misplaced'
  /** A number of a producer is missing, or came twice. */
  | 'counter-gap' | 'counter-twice'
  /** A change of a token is missing, or came twice; its entries do not follow one another. */
  | 'ordinal-gap' | 'ordinal-twice' | 'link-broken'
  /** A token was issued without a recorded request or approval. */
  | 'issue-unapproved';

export interface Omission {
  code: OmissionCode;
  detail: string;
  index?: number;
}

export declare class LogJudge {
  constructor(origin: string);
  readonly types: ReadonlyMap<string, number>;
  readonly recordedMs: number | undefined;
  take(index: number, text: string): void;
  findings(): Omission[];
}

export interface JudgedUse {
  batch: number;
  place: number;
  use: { tokenId?: string; code?: string; lastAt?: string };
}

export interface TokenLife {
  tokenId: string;
  requestId?: string;
  /** By index; only proven ones. */
  leaves: ReadonlyMap<number, JudgedLeaf>;
  /** Of `review.recorded` leaves whose signed vote is shown: its digest, `sha256:…`. */
  statements: ReadonlyMap<number, string>;
  uses: readonly JudgedUse[];
  /** What was sealed last, with the leaf that did. */
  newest?: { index: number; k: number; heads: JudgedLeaf };
}

export declare function judgeLife(life: TokenLife): string[];

export declare function staleness(seen: { recordedMs?: number; cosignedMs?: readonly number[] }, nowMs: number): string | undefined;
