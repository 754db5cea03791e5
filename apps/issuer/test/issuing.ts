import { randomBytes } from 'node:crypto';
import {
  makeId, requestDigest, signStatement, type AcceptedRequest, type Claims, type Grant, type Principal, type Quorum, type RequestApproved, type RequestSubmitted,
  type RotationDue, type RotationSteered, type TokenId,
} from '@writ/contracts';
import { startService, type Service } from '@writ/service';
import { TestBench, type Tap } from '@writ/testing';
import { IssuerConfig } from '../src/config.js';
import { IssuerModule } from '../src/issuer.module.js';
import * as migrations from '../src/migrations/index.js';

const seconds = () => Math.floor(Date.now() / 1000);
const policyDigest = `sha256:${'1'.repeat(64)}` as never;

export interface Asked {
  requester?: string;
  scopes?: string[];
  ttl?: string;
  environment?: string;
  delivery?: AcceptedRequest['delivery'];
  /** The requester's public key, as the request service has it registered. */
  key?: { thumbprint: string; jwk: Record<string, unknown> };
  /** The token that it replaces; policy says of its approval that it shrinks it. */
  shrinks?: string;
  /** The token that it replaces, with an approval of its own. */
  replaces?: string;
}

export interface Vote {
  reviewer: string;
  groups?: string[];
  vote?: 'approve' | 'deny';
  narrow?: { scopes?: string[]; expiresAt?: string };
  digest?: string;
}

/** Starts issuers and speaks to them as the other services do. */
export class Issuing {
  private readonly started: Service[] = [];
  private tap?: Promise<Tap>;
  gateway = '';

  private constructor(readonly bench: TestBench) {}

  static async create(): Promise<Issuing> {
    return new Issuing(await TestBench.create());
  }

  async start(more: Record<string, string> = {}): Promise<Service> {
    const env = await this.bench.env('issuer', migrations as never, more);
    const service = await startService({ name: 'issuer', module: IssuerModule, config: IssuerConfig, env });
    this.started.push(service);
    return service;
  }

  async stop(service: Service): Promise<void> {
    this.started.splice(this.started.indexOf(service), 1);
    await service.close();
  }

  async drop(): Promise<void> {
    for (const service of this.started) await service.close();
    await this.bench.drop();
  }

  person(sub: string): Principal {
    return { iss: this.bench.identity.issuer, sub };
  }

  submission({ requester = 'alice', scopes = ['orders:read'], ttl = 'P1D', environment = 'dev', delivery = { mode: 'claim' }, key, shrinks, replaces = shrinks }: Asked = {}): RequestSubmitted {
    const request = {
      requestId: makeId('req', Date.now(), randomBytes(10)), source: 'http', submissionId: 'x', submitter: this.person(requester), requester: { id: requester, team: 'orders' },
      claimant: this.person(requester), reason: 'a test', resource: 'orders', audience: 'orders', scopes, environment, ttl, delivery, ...(key ? { deliveryKeyThumbprint: key.thumbprint, deliveryKey: key.jwk } : {}), ...(replaces ? { replaces: replaces as TokenId } : {}),
    };
    const digest = requestDigest(request);
    const statement = signStatement(this.bench.signingKey('request'), 'request', { iat: seconds(), requestId: request.requestId, requestDigest: digest });
    return { ...request, requestDigest: digest, statement };
  }

  approval(request: RequestSubmitted, grant: Partial<Grant> = {}, votes: Vote[] = [], require: Quorum[] = [], outcome: 'approve' | 'hold' | 'deny' = 'approve', lifeSeconds = 600, shrinks: string | null = request.replaces ?? null): RequestApproved {
    const whole = { scopes: request.scopes, ...grant };
    const { requestId, requestDigest: digest } = request;
    const key = this.bench.signingKey('policy');
    return {
      requestId, requestDigest: digest, policyDigest, code: 'auto', because: [], grant: whole, require,
      statement: signStatement(key, 'decision', { iat: seconds(), exp: seconds() + lifeSeconds, requestId, requestDigest: digest, outcome, policyDigest, inputDigest: policyDigest, grant: whole, require, ...(shrinks === null ? {} : { shrinks }) }),
      votes: votes.map(({ reviewer, groups = ['security'], vote = 'approve', narrow, digest: other }) => signStatement(key, 'vote', {
        iat: seconds(), exp: seconds() + 600, requestId, requestDigest: other ?? digest, reviewer: this.person(reviewer), groups, vote, ...(narrow ? { narrow } : {}),
      })),
    };
  }

  /** An approval of a decision that was made so many seconds from now, by that activation of a policy set. */
  decidedBy(request: RequestSubmitted, activation: number, inSeconds: number): RequestApproved {
    const approval = this.approval(request);
    const claims = JSON.parse(Buffer.from(approval.statement.split('.')[1] as string, 'base64url').toString()) as Claims;
    return { ...approval, statement: signStatement(this.bench.signingKey('policy'), 'decision', { ...claims, iat: claims.iat + inSeconds, activation }) };
  }

  /** A token that its requester may claim. */
  async issued(asked: Asked = {}, grant: Partial<Grant> = {}): Promise<{ tokenId: string; request: RequestSubmitted }> {
    this.tap ??= this.bench.bus.tap();
    const tap = await this.tap;
    const request = this.submission(asked);
    await this.bench.bus.say('request', 'request.submitted', request);
    await this.bench.bus.say('policy', 'request.approved', this.approval(request, grant, [], [], 'approve', 600, asked.shrinks ?? null));
    const { envelope } = await tap.next('token.issued', ({ requestId }) => requestId === request.requestId);
    return { tokenId: String(envelope.data.tokenId), request };
  }

  async claimed(service: Service, asked: Asked = {}, grant: Partial<Grant> = {}): Promise<{ tokenId: string; secret: string }> {
    const { tokenId } = await this.issued(asked, grant);
    const { body } = await this.post(service, `/v1/tokens/${tokenId}/claim`, {}, await this.bearer(asked.requester ?? 'alice'));
    return { tokenId, secret: String(body.secret) };
  }

  /** Says as the rotation service that a secret's time has come. */
  due(data: Omit<RotationDue, 'tokenId' | 'statement'> & { tokenId: string }): Promise<string> {
    const { tokenId, rotationId, cause, deadlineAt, claimBefore } = data;
    return this.bench.bus.say('rotation', 'rotation.due', { ...(data as RotationDue), statement: this.ordered({ tokenId, rotationId, cause, deadlineAt, claimBefore }) });
  }

  /** Says as the rotation service that a person steers a rotation. */
  steer(data: Omit<RotationSteered, 'tokenId' | 'rotationId' | 'statement'> & { tokenId: string; rotationId: string }): Promise<string> {
    const { tokenId, rotationId, command } = data;
    return this.bench.bus.say('rotation', 'rotation.steered', { ...(data as RotationSteered), statement: this.ordered({ tokenId, rotationId, command }) });
  }

  private ordered(claims: object): string {
    return signStatement(this.bench.signingKey('rotation'), 'rotation', { iat: seconds(), ...claims });
  }

  async bearer(sub: string, groups: string[] = [], team?: string, signedInAgo?: number): Promise<Record<string, string>> {
    return { authorization: `Bearer ${await this.bench.identity.token({ sub, groups, team, signedInAgo })}` };
  }

  /** Registers a gateway and speaks as it from now on. */
  async registerGateway(service: Service, name: string, audiences: string[]): Promise<Record<string, string>> {
    const { body } = await this.post(service, '/v1/gateways', { name, audiences }, await this.bearer('root', ['admins']));
    return { authorization: `Basic ${Buffer.from(`${String(body.clientId)}:${String(body.clientSecret)}`).toString('base64')}` };
  }

  async post(service: Service, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const isForm = typeof body === 'string';
    return answerOf(await fetch(service.url + path, {
      method: 'POST', headers: { 'content-type': isForm ? 'application/x-www-form-urlencoded' : 'application/json', ...headers }, body: isForm ? body : JSON.stringify(body),
    }));
  }

  async get(service: Service, path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return answerOf(await fetch(service.url + path, { headers }));
  }
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Body;
}

/** What tests look at in answers of many kinds. */
export interface Body {
  [field: string]: unknown;
  code: string;
  secret: string;
  generation: number;
  seq: number;
  paths: object;
  items: { what: string }[];
  results: { code: string }[];
  receipts: { verifierId: string; name: string; outcome: string; latencyMs: number }[];
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: (text === '' ? {} : JSON.parse(text)) as Body };
}
