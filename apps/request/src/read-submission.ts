import {
  durationSeconds, isFault, Submission, validateBody, type Envelope, type EnvelopeFault,
} from '@writ/contracts';
import { refuse, type Refusal } from './refusal.js';

const submissionType = 'writ.token.request';
const maxIdLength = 256;
const daySeconds = 86_400;

/** Reads what an upstream published: the type must be ours and the source its own. */
export function readEnvelope(
  envelope: Envelope | EnvelopeFault | { code: 'too-large'; detail: string }, upstream: string,
): { submissionId: string; data: unknown } | Refusal {
  if ('code' in envelope || isFault(envelope)) return refuse(envelope.code, envelope.detail);
  const { id, type, source, data } = envelope;
  if (id.length > maxIdLength || !isClean(id)) {
    return refuse('malformed-envelope', `id has more than ${maxIdLength} characters, or characters that are no valid text.`);
  }
  if (type !== submissionType) return refuse('wrong-type', `type is not ${submissionType}.`);
  if (source !== upstreamSource(upstream)) return refuse('wrong-source', `source is not ${upstreamSource(upstream)}, which is who published this.`);
  return { submissionId: id, data };
}

/** The submission id that a refusal may repeat: text that every listener can store. */
export function cleanId(envelope: Envelope | { code: string }): string | undefined {
  if (!('id' in envelope) || envelope.id.length > maxIdLength || !isClean(envelope.id)) return undefined;
  return envelope.id;
}

export function upstreamSource(upstream: string): string {
  return `urn:writ:upstream:${upstream}`;
}

/** Checks everything about a body that depends on nothing but the body. */
export function readBody(data: unknown): Submission | Refusal {
  const checked = validateBody(Submission, data);
  if ('problems' in checked) return refuse('invalid-body', 'The body breaks its contract.', checked.problems);
  const body = checked.value;
  const problem = endProblem(body) ?? deliveryProblem(body);
  return problem ? refuse('invalid-body', problem.message, [problem]) : body;
}

/** A wished end lies ahead, and not absurdly far; what is granted of it is policy's business. */
export function endFault(body: Submission, now: Date, longestDays: number): Refusal | undefined {
  const aheadSeconds = body.ttl === undefined ? (Date.parse(body.expiresAt ?? '') - now.getTime()) / 1_000 : (durationSeconds(body.ttl) ?? 0);
  if (!(aheadSeconds > 0)) return refuse('expiry-in-the-past', 'expiresAt is not in the future.', [{ pointer: '/expiresAt', message: 'This is not in the future.' }]);
  if (aheadSeconds > longestDays * daySeconds) {
    const pointer = body.ttl === undefined ? '/expiresAt' : '/ttl';
    return refuse('expiry-too-far', `No token lives longer than ${longestDays} days.`, [{ pointer, message: `This is more than ${longestDays} days ahead.` }]);
  }
  return undefined;
}

function endProblem({ ttl, expiresAt }: Submission) {
  if (ttl !== undefined && expiresAt !== undefined) return { pointer: '/ttl', message: 'ttl and expiresAt exclude each other.' };
  if (ttl === undefined && expiresAt === undefined) return { pointer: '/ttl', message: 'Every token ends: ttl or expiresAt is missing.' };
  return undefined;
}

function deliveryProblem({ delivery }: Submission) {
  if (delivery.mode === 'sealed' && delivery.keyId === undefined) return { pointer: '/delivery/keyId', message: 'A sealed delivery names its key.' };
  if (delivery.mode === 'claim' && delivery.keyId !== undefined) return { pointer: '/delivery/keyId', message: 'Only a sealed delivery has a key.' };
  return undefined;
}

function isClean(text: string): boolean {
  return text.isWellFormed() && !/[\u0000-\u001f\u007f]/.test(text);
}
