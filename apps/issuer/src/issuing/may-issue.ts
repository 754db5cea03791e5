import {
  durationSeconds, requestDigest, verifyStatement, type AcceptedRequest, type DecisionClaims, type Grant, type PolicySetClaims, type Principal, type Quorum,
  type RequestApproved, type RequestClaims, type TokenId, type Trust, type VoteClaims,
} from '@writ/contracts';

/** A request as its service accepted and signed it. The reason stays with the request service: it grants nothing. */
export interface SignedRequest extends Omit<AcceptedRequest, 'reason'> {
  requestDigest: string;
  statement: string;
}

export type Approval = Pick<RequestApproved, 'requestId' | 'requestDigest' | 'policyDigest' | 'grant' | 'require' | 'statement' | 'votes'>;

export interface Ceilings {
  /** No token lives longer. */
  maxLifetimeSeconds: number;
}

/** What is issued: never more than was requested, decided, and agreed to by every vote. */
export interface Right {
  scopes: string[];
  expiresAt: Date;
  /** When the request service signed the request. */
  requestedAtMs: number;
  rotateSeconds?: number;
  graceSeconds?: number;
  networks?: string[];
  ratePerMinute?: number;
  /** The token that this may only shrink. */
  shrinks?: TokenId;
  /** How many people's approvals policy demanded; undefined = nobody's. */
  approvers?: number;
}

export interface Refusal {
  code: string;
  detail: string;
}

export type Verdict = { right: Right } | { refusal: Refusal };

const refuse = (code: string, detail: string): { refusal: Refusal } => ({ refusal: { code, detail } });

/** What the policy service signed, and the people behind it. */
interface Approved {
  decided: DecisionClaims;
  votes: VoteClaims[];
}

/**
 * The approval must be for exactly this request: a byte of drift refuses, whoever sent the message. Everything is taken
 * from what was signed; what the messages say beside it must agree.
 * @param active the newest activation of a policy set that was heard of
 */
export function mayIssue(request: SignedRequest, approval: Approval, active: PolicySetClaims | undefined, trust: Trust, ceilings: Ceilings, now: Date): Verdict {
  const signed = signedRequest(request, trust, now);
  if (typeof signed !== 'number') return { refusal: signed };
  if (approval.requestId !== request.requestId || approval.requestDigest !== request.requestDigest) {
    return refuse('approval-for-another-request', 'The approval names another request.');
  }
  const approved = signedApproval(approval, trust, now);
  if ('code' in approved) return { refusal: approved };
  const { decided, votes } = approved;
  if (active && wasReplaced(decided, active)) return refuse('policy-replaced', 'The decision is by a policy set that another one had replaced before.');
  const extra = approval.grant.scopes.filter((scope) => !request.scopes.includes(scope));
  if (extra.length > 0) return refuse('grant-exceeds-request', `Scopes were granted that nobody asked for: ${extra.join(', ')}.`);
  if (decided.shrinks !== undefined && decided.shrinks !== request.replaces) return refuse('approval-changed', 'The decision shrinks another token than the request replaces.');
  if (votes.some(({ reviewer }) => isInvolved(request, reviewer))) return refuse('vote-of-involved', 'Whoever asks, or the token is for, has no vote.');
  const approvers = decided.require.reduce((sum, quorum) => sum + quorum.approvers, 0) || undefined;
  const grant = { ...(decided.grant as Grant), requestedAtMs: signed * 1000, shrinks: decided.shrinks, approvers };
  return rightOf(request, grant, votes, ceilings, now);
}

/** What two replicas' clocks may differ by, seconds. */
const forgivenSeconds = 5;

/**
 * Whether a decision is by a set that did not decide any more: an older pointer was put back in policy's database. One
 * made before the activation counts, in whichever order the two come, and so does one by an activation that is still to
 * be heard of: nothing waits.
 */
function wasReplaced({ activation, policyDigest, iat }: DecisionClaims, active: PolicySetClaims): boolean {
  if (activation === active.activation) return policyDigest !== active.policyDigest;
  return activation !== undefined && activation < active.activation && iat > active.iat + forgivenSeconds;
}

/** Whether somebody else than the request service made up the request, or part of it. */
export function forgedRequest(request: SignedRequest, trust: Trust, now: Date): Refusal | undefined {
  const signed = signedRequest(request, trust, now);
  return typeof signed === 'number' ? undefined : signed;
}

/** Whether somebody else than the policy service made up the approval, or part of it. One that came too late is none of these. */
export function forgery(approval: Approval, trust: Trust, now: Date): Refusal | undefined {
  const approved = signedApproval(approval, trust, now);
  return 'code' in approved && !approved.code.endsWith('statement-expired') ? approved : undefined;
}

/** The approval by itself, whichever request it is for: decision, votes and quorum are what was signed. */
function signedApproval(approval: Approval, trust: Trust, now: Date): Approved | Refusal {
  const claims = verifyStatement(trust, 'decision', approval.statement, now);
  if (typeof claims === 'string') return { code: `decision-${claims}`, detail: 'The decision is not one that the policy service signed and that still stands.' };
  const decided = claims as DecisionClaims;
  const wrong = decisionDrift(approval, decided);
  if (wrong) return wrong;
  const votes = checkedVotes(approval, trust, now);
  if ('code' in votes) return votes;
  const missing = missingVotes(decided.require, votes);
  return missing ? { code: 'quorum-missing', detail: `Group ${missing.group} needs ${missing.approvers} distinct approvals.` } : { decided, votes };
}

/** @returns when the request was signed, in seconds since 1970 */
function signedRequest(request: SignedRequest, trust: Trust, now: Date): number | Refusal {
  const digest = requestDigest({ ...request, reason: '' });
  if (digest !== request.requestDigest) return { code: 'request-changed', detail: 'The stored request is not the one that its digest names.' };
  const claims = verifyStatement(trust, 'request', request.statement, now);
  if (typeof claims === 'string') return { code: `request-${claims}`, detail: 'The request is not one that the request service signed.' };
  const signed = claims as RequestClaims;
  if (signed.requestId !== request.requestId || signed.requestDigest !== digest) return { code: 'request-changed', detail: 'The request service signed another request.' };
  return signed.iat;
}

function decisionDrift(approval: Approval, decided: DecisionClaims): Refusal | undefined {
  if (decided.requestId !== approval.requestId || decided.requestDigest !== approval.requestDigest) {
    return { code: 'approval-for-another-request', detail: 'The signed decision is about another request.' };
  }
  if (decided.outcome !== 'approve' || !decided.grant) return { code: 'not-approved', detail: `The signed decision is ${decided.outcome}.` };
  if (decided.exp === undefined) return { code: 'decision-without-end', detail: 'The signed decision has no expiry.' };
  const same = decided.policyDigest === approval.policyDigest && equal(decided.grant, approval.grant) && equal(decided.require, approval.require);
  return same ? undefined : { code: 'approval-changed', detail: 'The approval says something else than the signed decision.' };
}

/** Order of fields does not matter, everything else does. */
function equal(a: object, b: object): boolean {
  return sorted(a) === sorted(b);
}

function sorted(value: object): string {
  return JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'object' && inner !== null && !Array.isArray(inner)
    ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner));
}

/** Every vote must be a yes to the very request that the approval names. */
function checkedVotes({ requestId, requestDigest, votes: statements }: Approval, trust: Trust, now: Date): VoteClaims[] | Refusal {
  const votes: VoteClaims[] = [];
  for (const statement of statements) {
    const claims = verifyStatement(trust, 'vote', statement, now);
    if (typeof claims === 'string') return { code: `vote-${claims}`, detail: 'A vote is not one that the policy service signed and that still stands.' };
    const vote = claims as VoteClaims;
    if (vote.requestId !== requestId || vote.requestDigest !== requestDigest) {
      return { code: 'vote-for-another-request', detail: 'A vote is about another request.' };
    }
    if (vote.exp === undefined) return { code: 'vote-without-end', detail: 'A vote has no expiry.' };
    if (vote.vote !== 'approve') return { code: 'vote-denies', detail: 'A reviewer refused.' };
    votes.push(vote);
  }
  return votes;
}

function isInvolved({ submitter, claimant, requester }: SignedRequest, reviewer: Principal): boolean {
  const same = (other: Principal) => other.iss === reviewer.iss && folded(other.sub) === folded(reviewer.sub);
  return same(submitter) || same(claimant) || folded(requester.id) === folded(reviewer.sub);
}

/** Some providers sign one person in under any spelling of their name. Taking two for one only ever refuses. */
const folded = (sub: string) => sub.toLowerCase();

/** Per group so many distinct people; two people are the same only if both provider and name are. */
function missingVotes(require: readonly Quorum[], votes: readonly VoteClaims[]): Quorum | undefined {
  return require.find(({ group, approvers }) => {
    const people = new Set(votes.filter(({ groups }) => groups.includes(group)).map(({ reviewer }) => JSON.stringify([reviewer.iss, folded(reviewer.sub)])));
    return people.size < approvers;
  });
}

function rightOf(request: SignedRequest, grant: Grant & Pick<Right, 'requestedAtMs' | 'shrinks' | 'approvers'>, votes: readonly VoteClaims[], { maxLifetimeSeconds }: Ceilings, now: Date): Verdict {
  const narrowed = votes.map(({ narrow }) => narrow);
  const scopes = request.scopes.filter((scope) => grant.scopes.includes(scope) && narrowed.every((narrow) => narrow?.scopes?.includes(scope) ?? true));
  if (scopes.length === 0) return refuse('nothing-left', 'Request, decision and votes have no scope in common.');
  const lifetimes = [request.ttl === undefined ? undefined : durationSeconds(request.ttl), grant.ttlSeconds, maxLifetimeSeconds];
  const ends = [
    ...lifetimes.filter((seconds) => seconds !== undefined).map((seconds) => now.getTime() + seconds * 1000),
    ...[request.expiresAt, grant.expiresAt, ...narrowed.map((narrow) => narrow?.expiresAt)].filter((at) => at !== undefined).map((at) => Date.parse(at)),
  ];
  const end = Math.min(...ends);
  if (!(end > now.getTime())) return refuse('already-over', 'The token would have ended before it began.');
  const { rotateSeconds, graceSeconds, requestedAtMs, networks, ratePerMinute, shrinks, approvers } = grant;
  return { right: { scopes, expiresAt: new Date(end), requestedAtMs, rotateSeconds, graceSeconds, networks, ratePerMinute, shrinks, approvers } };
}
