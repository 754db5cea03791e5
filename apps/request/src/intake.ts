import { Inject, Injectable } from '@nestjs/common';
import {
  deriveId, digestOf, requestDigest, signStatement, type AcceptedRequest, type Digest, type Principal, type RequestClaims,
  type RequestId, type RequestStatus, type SigningKey, type Submission,
} from '@writ/contracts';
import type { Tx } from '@writ/messaging';
import { RequestConfig } from './config.js';
import { currentOutcome, outcomeId } from './outcome.js';
import { endFault, readBody } from './read-submission.js';
import { isRefusal, refuse, type Refusal } from './refusal.js';
import {
  refusalByKey, requestBySubmission, replacedByToken, sealingKeyByName, speakerByName, speakerBySubject, type Replaced, type RequestRow, type SealingKey,
} from './request.store.js';
import { publicHalf } from './sealing-key.js';
import { callerVoice, upstreamVoice, type Asker, type Voice } from './speak-for.js';

export const SIGNING_KEY = Symbol('signing key');

/** A submission on its way in, whichever door it came through. */
export interface Ask {
  /** The upstream's name, or `http`. */
  source: string;
  /** The upstream to tell the outcome. */
  upstream?: string;
  asker?: Asker;
  submitter: Principal;
  /** Absent where it could not be read. */
  submissionId?: string;
  /** Of the bytes that were sent. */
  bodyDigest: Digest;
  /** The unchecked body, or why there is none. */
  data: unknown;
  fault?: Refusal;
}

export interface Taken {
  requestId: RequestId;
  status: RequestStatus;
}

/** Judges submissions, and writes down what became of them: one request per source and id, or a refusal. */
@Injectable()
export class Intake {
  constructor(private readonly config: RequestConfig, @Inject(SIGNING_KEY) private readonly key: SigningKey) {}

  /** Accepts, recognises or refuses. A refusal is a result like the others: it is recorded and must commit. */
  async take(tx: Tx<'request'>, ask: Ask): Promise<Taken | Refusal> {
    const result = ask.fault ?? (await this.judge(tx, ask));
    if (isRefusal(result)) await this.recordRefusal(tx, ask, result);
    return result;
  }

  private async judge(tx: Tx<'request'>, ask: Ask): Promise<Taken | Refusal> {
    const submissionId = ask.submissionId ?? '';
    const body = readBody(ask.data);
    if (isRefusal(body)) return body;
    const bodyDigest = digestOf(ask.data);
    const before = await tx.db.one(requestBySubmission, `${ask.source}/${submissionId}`);
    if (before) return this.repeated(tx, before, bodyDigest);
    const speaker = await tx.db.one(...(ask.asker ? [speakerBySubject, ask.asker.sub] as const : [speakerByName, ask.source] as const));
    if (!speaker) throw new Error('The registry did not answer.');
    const registration = speaker.registration ?? undefined;
    const voice = ask.asker ? callerVoice(ask.asker, registration, body) : upstreamVoice(registration, body, this.config.oidcIssuer);
    if (isRefusal(voice)) return voice;
    const fault = endFault(body, speaker.now, this.config.longestDays);
    if (fault) return fault;
    const replaced = await replacedBy(tx, body);
    if (replaced && isRefusal(replaced)) return replaced;
    const key = await sealingKeyOf(tx, body);
    if (key && isRefusal(key)) return key;
    return this.accept(tx, { ask, submissionId, body, bodyDigest, voice, key, replaced, now: speaker.now });
  }

  private repeated(tx: Tx<'request'>, before: RequestRow, bodyDigest: Digest): Taken | Refusal {
    if (before.body_digest !== bodyDigest) return refuse('id-reused', 'This id was used before, for another body.', [{ pointer: '', message: 'Use a new id for a new request.' }]);
    if (before.upstream !== null) {
      const { type, data } = currentOutcome(before);
      tx.tell(before.upstream, type, data, before.request_id, outcomeId(before, type));
    }
    return { requestId: before.request_id, status: before.status };
  }

  private accept(tx: Tx<'request'>, facts: Acceptance): Taken {
    const { ask, submissionId, body, bodyDigest, voice, key, replaced, now } = facts;
    const accepted: AcceptedRequest = {
      // The row with this source and id is unique: of two that try at once, one commits, and its time is the id's.
      requestId: deriveId('req', now.getTime(), ask.source, submissionId),
      source: ask.source, submitter: ask.submitter, requester: voice.requester, claimant: voice.claimant,
      reason: body.reason, resource: body.resource, audience: body.resource, scopes: body.scopes, environment: body.environment,
      ttl: body.ttl, expiresAt: body.expiresAt, delivery: body.delivery, deliveryKeyThumbprint: key?.thumbprint, deliveryKey: key && publicHalf(key.jwk), replaces: body.replaces,
    };
    const { requestId, requester, claimant } = accepted;
    const digest = requestDigest(accepted);
    const claims: RequestClaims = {
      iat: Math.floor(now.getTime() / 1_000), requestId, requestDigest: digest,
      ...(replaced ? { replaces: { requestId: replaced.request_id, expiresAt: replaced.expires_at } } : {}),
    };
    tx.db.insert('request', {
      request_id: requestId, submission_key: `${ask.source}/${submissionId}`, source: ask.source, submission_id: submissionId,
      upstream: ask.upstream ?? null, body_digest: bodyDigest, request_digest: digest, requester_id: requester.id, team: requester.team,
      claimant_iss: claimant.iss, claimant_sub: claimant.sub, accepted, accepted_at: now,
    });
    tx.emit('request.submitted', { ...accepted, submissionId, requestDigest: digest, statement: signStatement(this.key, 'request', claims) });
    return { requestId, status: 'submitted' };
  }

  private async recordRefusal(tx: Tx<'request'>, ask: Ask, { code, detail, problems }: Refusal): Promise<void> {
    const { submissionId, bodyDigest, upstream } = ask;
    const sender = ask.asker ? `http/${ask.asker.sub}` : ask.source;
    const subject = `${sender}/${submissionId ?? bodyDigest}`;
    if (upstream !== undefined) tx.tell(upstream, 'request.refused', { submissionId, code, detail, problems, bodyDigest }, subject);
    const refusalKey = `${sender}/${bodyDigest}/${code}`;
    if (await tx.db.one(refusalByKey, refusalKey)) return; // Recorded when it first came.
    // Another one may record the same refusal at this moment: one of the two tells.
    const [fresh] = await tx.db.query('INSERT INTO refusal (refusal_key) VALUES ($1) ON CONFLICT DO NOTHING RETURNING refusal_key', [refusalKey]);
    if (!fresh) return;
    tx.emit('request.refused', { source: nameOf(ask.source), submissionId, submitter: ask.submitter, code, detail, problems, bodyDigest }, { subject });
  }
}

interface Acceptance {
  ask: Ask;
  submissionId: string;
  body: Submission;
  bodyDigest: Digest;
  voice: Voice;
  key?: SealingKey;
  replaced?: Replaced;
  now: Date;
}

async function sealingKeyOf(tx: Tx<'request'>, { requester, delivery }: Submission): Promise<SealingKey | undefined | Refusal> {
  if (delivery.mode !== 'sealed') return undefined;
  const key = await tx.db.one(sealingKeyByName, `${requester.id} ${delivery.keyId}`);
  return key ?? refuse('sealing-key-unknown', 'The requester has no registered key of this name.', [{ pointer: '/delivery/keyId', message: 'This key is not registered for the requester.' }]);
}

/** A token is replaced for whom it was made, nobody else. */
async function replacedBy(tx: Tx<'request'>, { requester, replaces }: Submission): Promise<Replaced | Refusal | undefined> {
  if (replaces === undefined) return undefined;
  const replaced = await tx.db.one(replacedByToken, replaces);
  if (replaced?.requester_id === requester.id) return replaced;
  return refuse('replaces-unknown', 'The requester has no such token to replace.', [{ pointer: '/replaces', message: 'The requester has no such token.' }]);
}

/** A broker user may have a name that no upstream can be registered under; the record needs one all the same. */
function nameOf(source: string): string {
  return source.toLowerCase().replaceAll(/[^a-z0-9._-]/g, '-').replace(/^[^a-z0-9]/, '0').slice(0, 64) || '0';
}
