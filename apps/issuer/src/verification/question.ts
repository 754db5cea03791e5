import { maxVerifyBatch, type FieldProblem } from '@writ/contracts';
import { innerDigestLatin1, parse } from '@writ/token';
import type { Wanted } from '@writ/gateway';

/** One verification that was asked for. */
export interface Question extends Wanted {
  /** Inner digest, one character per byte; undefined where the text has not the form of a secret. */
  digest: string | undefined;
  /** Asked by digest: a verifier fills its memory, and uploads the uses itself. */
  byDigest?: boolean;
  /** The end client's user agent. */
  agent?: string;
}

type Fields = Record<string, unknown>;
const itemFields = new Set(['token', 'digest', 'scopes', 'audience', 'address', 'agent']);
const problem = (pointer: string, message: string): FieldProblem => ({ pointer, message });

/**
 * Reads the body of a verification; by hand, because it stands on the hottest way. Nothing of the token is echoed.
 * A field that is wrong is a problem; a token that is junk is a question whose answer is MALFORMED.
 */
export function questionOf(body: unknown): Question | FieldProblem {
  if (!isFields(body)) return problem('', 'This is not a JSON object.');
  const { minSeq, ...item } = body;
  if (minSeq !== undefined && !isSeq(minSeq)) return problem('/minSeq', 'minSeq is not a whole number from 0.');
  const question = itemOf(item, '');
  if ('pointer' in question || minSeq === undefined) return question;
  return { ...question, minSeq: minSeq as number };
}

/** Reads the body of a batch: every item or none. */
export function questionsOf(body: unknown): Question[] | FieldProblem {
  if (!isFields(body)) return problem('', 'This is not a JSON object.');
  const { tokens, minSeq, ...more } = body;
  const unknown = Object.keys(more)[0];
  if (unknown !== undefined) return problem(`/${pointerPart(unknown)}`, 'This field is not known here.');
  if (minSeq !== undefined && !isSeq(minSeq)) return problem('/minSeq', 'minSeq is not a whole number from 0.');
  if (!Array.isArray(tokens) || tokens.length === 0 || tokens.length > maxVerifyBatch) return problem('/tokens', `tokens is not a list of 1 to ${maxVerifyBatch}.`);
  const questions: Question[] = [];
  for (const [i, item] of tokens.entries()) {
    const question = isFields(item) ? itemOf(item, `/tokens/${i}`) : problem(`/tokens/${i}`, 'This is not a JSON object.');
    if ('pointer' in question) return question;
    questions.push(minSeq === undefined ? question : { ...question, minSeq: minSeq as number });
  }
  return questions;
}

function itemOf(item: Fields, pointer: string): Question | FieldProblem {
  for (const name in item) if (!itemFields.has(name)) return problem(`${pointer}/${pointerPart(name)}`, 'This field is not known here.');
  const { token, digest, scopes, audience, address, agent } = item;
  if ((token === undefined) === (digest === undefined)) return problem(pointer, 'Exactly one of token and digest is needed.');
  if (digest !== undefined && !(typeof digest === 'string' && /^[\w-]{43}$/.test(digest))) return problem(`${pointer}/digest`, 'digest is not 32 bytes in base64url.');
  if (token !== undefined && typeof token !== 'string') return problem(`${pointer}/token`, 'token is no text.');
  if (scopes !== undefined && !isScopes(scopes)) return problem(`${pointer}/scopes`, 'scopes is not a list of at most 64 texts.');
  for (const [name, value] of [['audience', audience], ['address', address], ['agent', agent]] as const) {
    if (value !== undefined && !(typeof value === 'string' && value.length <= 512)) return problem(`${pointer}/${name}`, `${name} is no text of at most 512 characters.`);
  }
  return {
    digest: token === undefined ? Buffer.from(digest as string, 'base64url').toString('latin1') : digestOf(token), byDigest: token === undefined,
    scopes: scopes as string[] | undefined, audience: audience as string | undefined, address: address as string | undefined, agent: agent as string | undefined,
  };
}

/** The digest of what has the form of a secret, else undefined. */
export function digestOf(token: string): string | undefined {
  return parse(token).ok ? innerDigestLatin1(token) : undefined;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSeq(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isScopes(value: unknown): boolean {
  return Array.isArray(value) && value.length <= 64 && value.every((scope) => typeof scope === 'string' && scope.length <= 128);
}

function pointerPart(name: string): string {
  return name.slice(0, 64).replaceAll('~', '~0').replaceAll('/', '~1');
}
