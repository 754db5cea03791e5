import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { innerDigest, mint, type StateEntry } from '@writ/token';
import {
  fenceOf, grantedLeaseMs, grantLease, type Acknowledgement, type BatchItem, type FenceMember, type LeaseAsk, type Receipt, type RegisterAsk, type UsageBatch, type VerifyAnswer,
} from '../src/index.js';

interface TestToken {
  readonly facts: Record<string, unknown>;
  code: string;
}

type Handler = (body: never) => unknown;

/** How the peer misbehaves: silent, or refusing with a status and a problem code. */
export interface Misbehaviour {
  readonly path: RegExp;
  readonly hang?: boolean;
  readonly status?: number;
  readonly code?: string;
  readonly answer?: unknown;
  readonly headers?: Record<string, string>;
  /** How long it takes for that. */
  readonly afterMs?: number;
}

/** A protocol peer in memory: what PROTOCOL.md asks of an issuer, without its database and its authentication of people. */
export class TestIssuer {
  readonly usage: UsageBatch[] = [];
  /** Everything that verifiers sent, to search for what must not be in it. */
  readonly heard: string[] = [];
  readonly batchSizes: number[] = [];
  misbehaviour: Misbehaviour | undefined;
  incarnation = 'inc-1';
  /** How late an issuer with much to do answers asks. */
  leaseAnswersAfterMs = 0;
  readonly #tokens = new Map<string, TestToken>();
  #log: StateEntry[] = [];
  #members: FenceMember[] = [];
  readonly #acknowledgements = new Map<string, Acknowledgement>();
  #registering: Promise<void> | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  async listen(port = 0): Promise<string> {
    await new Promise<void>((resolve) => { this.#server.listen(port, '127.0.0.1', resolve); });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => { this.#server.close(resolve); });
  }

  get headSeq(): number {
    return this.#log.at(-1)?.seq ?? 0;
  }

  get verifiers(): readonly FenceMember[] {
    return this.#members;
  }

  issue(over: Record<string, unknown> = {}): { readonly secret: string; readonly tokenId: string } {
    const secret = mint('dev', randomBytes(32)).reveal();
    const tokenId = `tok_${this.#tokens.size + 1}`;
    const facts = { tokenId, owner: 'svc:billing', scopes: ['orders:read'], audience: 'orders', environment: 'dev', expiresAt: new Date(Date.now() + 3_600_000).toISOString(), ...over };
    this.#tokens.set(innerDigest(secret).toString('base64url'), { facts, code: 'VALID' });
    this.#commit({ kind: 'issue', tokenId });
    return { secret, tokenId };
  }

  /** Changes a token's state; resolves with the receipts when the fleet is fenced. */
  async stop(kind: 'revoke' | 'suspend' | 'resume', tokenId: string): Promise<readonly Receipt[]> {
    for (const token of this.#tokens.values()) {
      if (token.facts['tokenId'] === tokenId) token.code = { revoke: 'REVOKED', suspend: 'SUSPENDED', resume: 'VALID' }[kind];
    }
    return this.#fence(this.#commit({ kind, tokenId }));
  }

  async raiseEpoch(): Promise<readonly Receipt[]> {
    for (const token of this.#tokens.values()) token.code = 'REVOKED';
    return this.#fence(this.#commit({ kind: 'epoch', epoch: 1 }));
  }

  answerWith(tokenId: string, code: string): void {
    for (const token of this.#tokens.values()) if (token.facts['tokenId'] === tokenId) token.code = code;
  }

  loseLog(): void {
    this.#log = this.#log.slice(0, -1);
  }

  forget(): void {
    this.#members = [];
  }

  #commit(about: Pick<StateEntry, 'kind' | 'tokenId' | 'epoch'>): number {
    const seq = this.headSeq + 1;
    this.#log.push({ seq, at: new Date().toISOString(), reasonCode: 'test', ...about });
    for (const wake of this.#waiting) wake();
    return seq;
  }

  async #fence(seq: number): Promise<readonly Receipt[]> {
    const committedBy = performance.now();
    const members = [...this.#members];
    for (;;) {
      const state = fenceOf({ seq, incarnation: this.incarnation, committedBy, members, acknowledgements: this.#acknowledgements }, performance.now());
      if (state.done) return state.receipts;
      await this.#news(Math.max(1, state.doneBy - performance.now()));
    }
  }

  #news(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiting.add(wake);
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const path = `${request.method} ${request.url}`;
    this.heard.push(`${path} ${text}`);
    const reply = (status: number, body: unknown, headers: Record<string, string> = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Basic ${Buffer.from('gw-1:s3cret').toString('base64')}`) return void reply(401, { code: 'unauthorized' });
    const wrong = this.misbehaviour;
    if (wrong?.path.test(path)) {
      if (wrong.hang) return;
      if (wrong.afterMs !== undefined) await sleep(wrong.afterMs);
      return void reply(wrong.status ?? 200, wrong.answer ?? { code: wrong.code }, wrong.headers);
    }
    const answer = await this.#route(path)(JSON.parse(text) as never);
    if (typeof answer === 'string') reply(409, { code: answer });
    else reply(200, answer);
  }

  #route(path: string): Handler {
    const routes: [RegExp, Handler][] = [
      [/^POST \/v1\/fleet\/verifiers$/, (body: RegisterAsk) => this.#register(body)],
      [/^DELETE \/v1\/fleet\/verifiers\//, () => { this.#members = this.#members.filter(({ verifierId }) => !path.endsWith(verifierId)); return {}; }],
      [/^POST \/v1\/fleet\/lease$/, (body: LeaseAsk) => this.#lease(body)],
      [/^POST \/v1\/tokens\/verify-batch$/, (body: { tokens: BatchItem[]; minSeq?: number }) => this.#verify(body)],
      [/^POST \/v1\/usage$/, (body: UsageBatch) => { this.usage.push(body); return {}; }],
    ];
    return routes.find(([pattern]) => pattern.test(path))?.[1] ?? (() => 'not-found');
  }

  /** Registrations take their time until the answer is called. */
  holdRegistrations(): () => void {
    let letGo = (): void => undefined;
    this.#registering = new Promise((resolve) => { letGo = resolve; });
    return letGo;
  }

  async #register({ name, leaseMs: askedMs }: RegisterAsk): Promise<unknown> {
    const leaseMs = grantedLeaseMs(askedMs);
    await this.#registering;
    const verifierId = `ver_${randomBytes(6).toString('hex')}`;
    this.#members.push({ verifierId, name, leaseMs });
    return { verifierId, leaseMs, incarnation: this.incarnation, headSeq: this.headSeq };
  }

  async #lease(ask: LeaseAsk): Promise<unknown> {
    this.#acknowledgements.set(ask.verifierId, { verifierId: ask.verifierId, incarnation: ask.incarnation, appliedSeq: ask.appliedSeq, at: performance.now() });
    for (const wake of this.#waiting) wake();
    if (ask.appliedSeq === this.headSeq && ask.holdMs > 0) await this.#newsAfter(ask);
    const grant = grantLease(ask, {
      registered: this.#members.some(({ verifierId }) => verifierId === ask.verifierId), incarnation: this.incarnation, headSeq: this.headSeq,
      databaseTime: new Date().toISOString(), entries: this.#log.filter(({ seq }) => seq > ask.appliedSeq),
    });
    await sleep(this.leaseAnswersAfterMs);
    return grant;
  }

  async #newsAfter({ appliedSeq, holdMs }: LeaseAsk): Promise<void> {
    const until = performance.now() + holdMs;
    while (this.headSeq === appliedSeq && performance.now() < until) await this.#news(until - performance.now());
  }

  #verify({ tokens, minSeq = 0 }: { tokens: BatchItem[]; minSeq?: number }): unknown {
    this.batchSizes.push(tokens.length);
    const fresh = { asOf: new Date().toISOString(), seq: this.headSeq, maxStalenessMs: 0 };
    const results = tokens.map(({ digest }): Partial<VerifyAnswer> => {
      if (minSeq > this.headSeq) return { valid: false, code: 'STALE', ...fresh };
      const token = this.#tokens.get(digest);
      return token ? { valid: token.code === 'VALID', code: token.code as VerifyAnswer['code'], ...fresh, ...token.facts } : { valid: false, code: 'NOT_FOUND', ...fresh };
    });
    return { incarnation: this.incarnation, results };
  }
}
