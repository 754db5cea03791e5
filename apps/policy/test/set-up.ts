import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import {
  makeId, requestDigest, signStatement, type AcceptedRequest, type ActivationAnswer, type ActivePolicySet, type StoredDecision, type Digest,
  type PolicyCheck, type PolicySetAnswer, type ReplayAnswer, type RequestClaims, type RequestSubmitted, type ReviewAnswer, type SigningKey, type SimulationAnswer, type TokenId,
} from '@writ/contracts';
import { startService, type Service } from '@writ/service';
import { TestBench } from '@writ/testing';
import { PolicyConfig } from '../src/config.js';
import * as migrations from '../src/migrations/index.js';
import { PolicyModule } from '../src/policy.module.js';

const folder = new URL('./set/', import.meta.url);

/** The files of a small policy set: analysing it takes a moment. */
export function setFiles(): Record<string, string> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(new URL(name, folder), 'utf8')]));
}

/** The same set with other days that a token for reading in development may live: 30 in the original. */
export function filesWithDevDays(days: number): Record<string, string> {
  const files = setFiles();
  return { ...files, 'rules.cedar': files['rules.cedar']!.replace('2592000', String(days * 86_400)) };
}

export interface Wish extends Partial<Pick<AcceptedRequest, 'scopes' | 'environment' | 'ttl' | 'expiresAt' | 'resource' | 'reason' | 'source' | 'submitter' | 'claimant' | 'delivery'>> {
  requester?: string;
  team?: string;
  replaces?: string;
  /** What the request service signs of the token that is replaced. */
  replaced?: RequestClaims['replaces'];
  iss?: string;
}

/** A request as the request service accepts and signs it. */
export function submitted(key: SigningKey, { requester = 'svc:orders-nightly', team = 'orders', resource = 'orders', ttl = 'P7D', expiresAt, replaces, replaced, iss = 'https://id.example', ...wish }: Wish = {}): RequestSubmitted {
  const person = { iss, sub: 'dev-requester' };
  const request = {
    requestId: makeId('req', Date.now(), randomBytes(10)), source: 'http', submissionId: randomBytes(8).toString('hex'),
    submitter: person, requester: { id: requester, team }, claimant: person, reason: 'nightly export',
    resource, audience: resource, scopes: ['orders:read'], environment: 'dev', ...(expiresAt ? { expiresAt } : { ttl }), delivery: { mode: 'claim' as const },
    ...(replaces ? { replaces: replaces as TokenId } : {}), ...wish,
  };
  const digest = requestDigest(request);
  const statement = signStatement(key, 'request', { iat: Math.floor(Date.now() / 1000), requestId: request.requestId, requestDigest: digest, ...(replaced ? { replaces: replaced } : {}) });
  return { ...request, requestDigest: digest, statement };
}

export type Person = 'admin' | 'admin2' | 'reviewer' | 'reviewer2' | 'requester' | 'outsider' | 'auditor';
const groupsOf: Record<Person, string[]> = {
  admin: ['policy-admins'], admin2: ['policy-admins'], reviewer: ['reviewers', 'orders', 'security'], reviewer2: ['reviewers', 'orders', 'security'],
  requester: ['requesters'], outsider: ['reviewers', 'billing'], auditor: ['auditors'],
};

/** Whatever a route of this service may answer; tests read the fields of theirs. */
export type Body = ReviewAnswer & Omit<ActivationAnswer, 'state'> & PolicyCheck & ReplayAnswer & ActivePolicySet & Omit<SimulationAnswer, 'state'> & { state: string }
  & { items: (ReviewAnswer & StoredDecision & PolicySetAnswer)[]; next: string | null };

/** A policy service on real servers, and people who call it. */
export class World {
  readonly services: Service[] = [];

  private constructor(readonly bench: TestBench) {}

  static async create(more: Record<string, string> = {}): Promise<World> {
    const world = new World(await TestBench.create());
    await world.start(more);
    return world;
  }

  async start(more: Record<string, string> = {}): Promise<Service> {
    const env = await this.bench.env('policy', Object.values(migrations), more);
    const service = await startService({ name: 'policy', module: PolicyModule, config: PolicyConfig, env });
    this.services.push(service);
    return service;
  }

  async stop(): Promise<void> {
    for (const service of this.services.splice(0)) await service.close();
  }

  async drop(): Promise<void> {
    await this.stop();
    await this.bench.drop();
  }

  /** Calls a route as a person, or with a bearer token. */
  async call(who: Person | { bearer: string }, method: string, path: string, body?: unknown, service = this.services[0]): Promise<{ status: number; body: Body }> {
    const bearer = typeof who === 'string' ? await this.bench.identity.token({ sub: `dev-${who}`, groups: groupsOf[who], team: 'orders' }) : who.bearer;
    const answer = await fetch(`${service!.url}${path}`, {
      method, headers: { authorization: `Bearer ${bearer}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(20_000),
    });
    return { status: answer.status, body: (await answer.json().catch(() => undefined)) as Body };
  }

  async upload(files: Record<string, string>): Promise<Digest> {
    const { body } = await this.call('admin', 'POST', '/v1/policy-sets', { files });
    if (!body.valid) throw new Error(`The set is not valid: ${JSON.stringify(body.problems)}`);
    return body.digest as Digest;
  }

  activate(who: Person, digest: string, service?: Service): Promise<{ status: number; body: Body }> {
    return this.call(who, 'POST', `/v1/policy-sets/${encodeURIComponent(digest)}/activate`, {}, service);
  }

  /** Says a request as the request service does. */
  async submit(wish: Wish = {}): Promise<RequestSubmitted> {
    const request = submitted(this.bench.signingKey('request'), { iss: this.bench.identity.issuer, ...wish });
    await this.bench.bus.say('request', 'request.submitted', request);
    return request;
  }

  rows<Row = Record<string, string>>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    return this.bench.database('policy').query<Row>(sql, parameters);
  }
}
