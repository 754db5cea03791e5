import type {
  AcceptedRequest, DecisionAnswer, Digest, RequestId, RequestStatus, TokenId, TokenIssued, UpstreamRegistration,
} from '@writ/contracts';
import { lookup, type Db } from '@writ/messaging';

/** One request with everything that became of it. */
export interface RequestRow {
  request_id: RequestId;
  submission_key: string;
  submission_id: string;
  source: string;
  upstream: string | null;
  body_digest: Digest;
  request_digest: Digest;
  accepted: AcceptedRequest;
  accepted_at: Date;
  held: DecisionAnswer | null;
  approved: DecisionAnswer | null;
  denied: DecisionAnswer | null;
  issue_refused: { code: string; detail: string } | null;
  token_id: TokenId | null;
  issued: TokenIssued | null;
  lapsed_at: Date | null;
  status: RequestStatus;
}

/** Who is to hear of a request's fate. */
export interface Addressee {
  request_id: RequestId;
  token_id: TokenId | null;
  submission_id: string;
  upstream: string | null;
  accepted_at: Date;
}

/** A sender's registration, and the database's time, by which everything that ends is judged. */
export interface Speaker {
  key: string;
  registration: UpstreamRegistration | null;
  now: Date;
}

/** A requester's registered public key. */
export interface SealingKey {
  thumbprint: string;
  jwk: Record<string, unknown>;
}

const speakers = (column: 'name' | 'subject') => lookup<Speaker>(
  `SELECT k.key, u.registration, clock_timestamp() AS now FROM unnest($1::text[]) AS k(key) LEFT JOIN upstream u ON u.${column} = k.key`,
  (row) => row.key,
);
export const speakerByName = speakers('name');
export const speakerBySubject = speakers('subject');

export const requestBySubmission = lookup<RequestRow>('SELECT * FROM request WHERE submission_key = ANY($1)', (row) => row.submission_key);
export const addresseeByRequest = lookup<Addressee>(
  'SELECT request_id, token_id, submission_id, upstream, accepted_at FROM request WHERE request_id = ANY($1)', (row) => row.request_id,
);
export const addresseeByToken = lookup<Addressee>(
  'SELECT request_id, token_id, submission_id, upstream, accepted_at FROM request WHERE token_id = ANY($1)', (row) => row.token_id ?? '',
);
/** A token that a request may name as the one to replace. */
export interface Replaced {
  token_id: string;
  requester_id: string;
  request_id: RequestId;
  expires_at: string;
}
export const replacedByToken = lookup<Replaced>(
  `SELECT token_id, requester_id, request_id, issued->>'expiresAt' AS expires_at FROM request WHERE token_id = ANY($1)`, (row) => row.token_id,
);
export const sealingKeyByName = lookup<SealingKey & { name: string }>('SELECT name, thumbprint, jwk FROM sealing_key WHERE name = ANY($1)', (row) => row.name);
export const refusalByKey = lookup<{ refusal_key: string }>('SELECT refusal_key FROM refusal WHERE refusal_key = ANY($1)', (row) => row.refusal_key);

export async function requestById(db: Db, id: string, lock = false): Promise<RequestRow | undefined> {
  return (await db.query<RequestRow>(`SELECT * FROM request WHERE request_id = $1${lock ? ' FOR UPDATE' : ''}`, [id]))[0];
}

export interface RequestFilter {
  /** Only requests that are this subject's, as requester or claimant. */
  of?: { iss: string; sub: string };
  status?: RequestStatus;
  /** Requests before this id. */
  before?: string;
  limit: number;
}

/** What is true of every request that is still open, in the words of the index of those. */
const isOpen = 'issued IS NULL AND denied IS NULL AND lapsed_at IS NULL AND cancelled IS NULL AND';
const openStatuses: readonly RequestStatus[] = ['submitted', 'held', 'approved'];

/** The newest requests first. */
export function listRequests(db: Db, { of, status, before, limit }: RequestFilter): Promise<RequestRow[]> {
  const open = status !== undefined && openStatuses.includes(status) ? isOpen : '';
  const rest = `${open} ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR request_id < $2) ORDER BY request_id DESC LIMIT $3`;
  const values = [status ?? null, before ?? null, limit];
  if (!of) return db.query<RequestRow>(`SELECT * FROM request WHERE ${rest}`, values);
  return db.query<RequestRow>(
    `SELECT * FROM (
       (SELECT * FROM request WHERE requester_id = $4 AND ${rest})
       UNION ALL
       (SELECT * FROM request WHERE claimant_sub = $4 AND claimant_iss = $5 AND claimant_sub <> requester_id AND ${rest})
     ) mine ORDER BY request_id DESC LIMIT $3`,
    [...values, of.sub, of.iss],
  );
}
