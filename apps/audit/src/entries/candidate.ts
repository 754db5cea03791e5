import { hash } from 'node:crypto';
import { brokerUser } from '@writ/messaging';
import { idPattern, type EventType, type Message, type UsageRecord } from '@writ/contracts';
import { disclose, type Disclosure } from './disclosure.js';
import { leftOut, openFields, type LeafType } from './open-fields.js';
import { usesOf, type Uses } from './uses.js';

/** Whose personal data a field is: the hash of this name finds the key it is encrypted under. */
export type SubjectName = string;

export interface Hidden {
  subject: SubjectName;
  disclosure: Disclosure;
}

/** The person a request or token belongs to, where an event says so. */
export interface Kin {
  child: SubjectName;
  parent: SubjectName;
  /** From now on, and not from its beginning: what was said until now stays with whom it belonged to. */
  anew?: boolean;
}

/** A leaf before it has a place in the log. */
export interface Candidate {
  /** The event's id: one leaf each. */
  id: string;
  type: LeafType;
  token?: string;
  request?: string;
  /** Who counted the event, and its number there, without a gap. */
  src?: string;
  n?: string;
  /** Place among the token's changes, without a gap. */
  k?: number;
  at: Date;
  facts: Record<string, unknown>;
  hidden: Hidden[];
  kin?: Kin;
  /** Of everything the event said: tells a repetition from another event with the same id. */
  digest: Buffer;
  uses?: Uses;
}

/** Gives fresh random salts. */
export type Salt = () => Uint8Array;

type Fields = Record<string, unknown>;
const tokenId = idPattern('tok');
const requestId = idPattern('req');
const issuer = brokerUser('issuer');

export function personOf(sub: string): SubjectName {
  return `person ${sub}`;
}

/** Makes a leaf's content of an event. Total: whatever passed its contract has a leaf. */
export function candidateOf(message: Message, salt: Salt): Candidate {
  const data = { ...(message.data as unknown as Fields) };
  const { tokenId: token, requestId: request } = data;
  const digest = hash('sha256', JSON.stringify([message.type, message.time, message.producer, message.producerSeq, message.aggregateVersion, data]), 'buffer');
  const uses = message.type === 'usage.recorded' ? usesOf(data.records as UsageRecord[], String(data.verifierId), salt) : undefined;
  for (const field of ['tokenId', 'requestId', ...(uses ? ['records'] : []), ...(leftOut[message.type] ?? [])]) delete data[field];
  const votes = message.type === 'request.approved' ? { votes: votesOf(data) } : {};
  const { facts, hidden } = split(message.type, data, ownerOfText(data, token, request, message.subject), salt);
  return {
    id: message.id.toWellFormed(),
    type: leafTypeOf(message.type, data),
    ...(matches(tokenId, token) && { token }),
    ...(matches(requestId, request) && { request }),
    src: (message.producer ?? message.userId).toWellFormed(),
    ...(message.producerSeq !== undefined && { n: message.producerSeq.toWellFormed() }),
    ...(message.userId === issuer && message.aggregateVersion !== undefined && matches(tokenId, token) && { k: message.aggregateVersion }),
    at: message.time,
    facts: { ...(textual(facts) as Fields), ...votes, ...uses?.facts },
    hidden,
    ...kinOf(message.type, data, token, request),
    digest,
    ...(uses && { uses }),
  };
}

/** A message that nobody could take says so in a leaf of its own kind; one that reuses an id contradicts another. */
function leafTypeOf(type: EventType, data: Fields): LeafType {
  if (type !== 'message.parked') return type;
  return data.code === 'id-reused' ? 'audit.conflict' : 'audit.rejected';
}

/** A leaf that the log writes about itself. */
export function ownLeaf(id: string, type: LeafType, at: Date, facts: Record<string, unknown>, hidden: Hidden[] = []): Candidate {
  const digest = hash('sha256', JSON.stringify([type, facts]), 'buffer');
  return { id, type, src: 'audit', at, facts: textual(facts) as Fields, hidden, digest };
}

/** A leaf for an event whose id is in the log already with another content. It never takes the first one's place. */
export function conflictOf(candidate: Candidate): Candidate {
  const digest = hash('sha256', Buffer.concat([Buffer.from(candidate.id), candidate.digest]), 'buffer');
  return {
    id: `${candidate.id}#${digest.toString('hex', 0, 8)}`,
    type: 'audit.conflict',
    ...(candidate.token && { token: candidate.token }),
    ...(candidate.request && { request: candidate.request }),
    src: candidate.src,
    at: candidate.at,
    facts: { event: candidate.id, type: candidate.type },
    hidden: candidate.hidden,
    digest,
  };
}

/** Votes name their voters, so a decision's leaf names the votes by digest; each has its own leaf with the rest. */
function votesOf(data: Fields): string[] {
  const votes = Array.isArray(data.votes) ? (data.votes as string[]) : [];
  delete data.votes;
  return votes.map((vote) => `sha256:${hash('sha256', vote, 'hex')}`);
}

function split(type: EventType, data: Fields, owner: SubjectName, salt: Salt): { facts: Fields; hidden: Hidden[] } {
  const open = openFields[type];
  const facts: Fields = {};
  const hidden: Hidden[] = [];
  const hide = (name: string, value: unknown) => hidden.push({ subject: personIn(value) ?? (name === 'ownerId' ? personOf(String(value)) : owner), disclosure: disclose(salt(), name, value) });
  for (const [name, value] of Object.entries(data)) {
    if (value === undefined) continue;
    const inner = open.filter((path) => path.startsWith(`${name}.`)).map((path) => path.slice(name.length + 1));
    if (open.includes(name)) facts[name] = value;
    else if (inner.length > 0 && isFields(value)) {
      facts[name] = Object.fromEntries(Object.entries(value).filter(([key]) => inner.includes(key)));
      const rest = Object.entries(value).filter(([key, part]) => !inner.includes(key) && part !== undefined);
      if (rest.length > 0) hidden.push({ subject: personIn(value) ?? owner, disclosure: disclose(salt(), name, Object.fromEntries(rest)) });
    } else hide(name, value);
  }
  return { facts, hidden };
}

/** The person that an object names: a principal, a party, or an actor with a principal. */
function personIn(value: unknown): SubjectName | undefined {
  if (!isFields(value)) return undefined;
  if (typeof value.sub === 'string') return personOf(value.sub);
  if (typeof value.id === 'string' && 'team' in value) return personOf(value.id);
  return isFields(value.principal) ? personIn(value.principal) : undefined;
}

/** Whose the other hidden fields are: whoever wrote them, else the person, token or request that they are about. */
function ownerOfText(data: Fields, token: unknown, request: unknown, subject: string): SubjectName {
  const writer = personIn(data.reviewer) ?? personIn(data.by) ?? personIn(data.requester);
  if (writer) return writer;
  if (typeof data.ownerId === 'string') return personOf(data.ownerId);
  return typeof token === 'string' ? token : typeof request === 'string' ? request : subject.toWellFormed();
}

function kinOf(type: EventType, data: Fields, token: unknown, request: unknown): Pick<Candidate, 'kin'> {
  const kin = (child: unknown, person: unknown, anew: boolean): Pick<Candidate, 'kin'> => {
    const parent = personIn(person);
    return parent && typeof child === 'string' ? { kin: { child, parent, ...(anew && { anew }) } } : {};
  };
  switch (type) {
    case 'request.submitted': return kin(request, data.requester, false);
    case 'token.issued': return kin(token, data.owner, false);
    case 'token.transferred': return kin(token, data.to, true);
    default: return {};
  }
}

/** Numbers as decimal text, because 64-bit ones do not survive other readers of JSON; text without lone surrogates. */
function textual(value: unknown): unknown {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(textual);
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined).map(([key, part]) => [key.toWellFormed(), textual(part)]));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function matches(pattern: RegExp, value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value);
}
