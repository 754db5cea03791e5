import type { VerifyAnswer } from '../../src/answers.js';
import { databaseEpochMs, IssuerNode, type Bug, type TruthToken } from './issuer-node.js';
import { VerifierNode, type Call, type Message, type World } from './verifier-node.js';

const owners = ['owner-a', 'owner-a', 'owner-b'];
const never = databaseEpochMs + 1e9;

export type Guarantee = 'G4' | 'G5' | 'G6';

export interface Step {
  readonly op: string;
  readonly node: number;
  readonly token: number;
  readonly pick: number;
  readonly ms: number;
  readonly flag: boolean;
}

/** What a run has exercised, so that a property that never met its case is noticed. */
export interface Coverage {
  valid: number;
  refusedAfterReturn: number;
  fenced: number;
  acknowledged: number;
}

/**
 * A fleet in simulated time: an issuer, three verifiers, and a network that delays, loses, repeats,
 * reorders and tears messages. Every answer is held against the truth at that instant.
 */
export class FleetSimulation implements World {
  now = 5000;
  readonly coverage: Coverage = { valid: 0, refusedAfterReturn: 0, fenced: 0, acknowledged: 0 };
  readonly #issuer: IssuerNode;
  readonly #nodes: VerifierNode[];
  #network: Message[] = [];

  constructor(bugs: ReadonlySet<Bug>, private readonly guarantees: readonly Guarantee[]) {
    this.#issuer = new IssuerNode(bugs);
    this.#issuer.mono = this.now;
    this.#nodes = [0.9995, 1, 1.0005].map((rate, i) => new VerifierNode(`v${i}`, rate, bugs, this));
    for (const [i, owner] of owners.entries()) this.#issuer.issue(i, owner, i === 1 ? databaseEpochMs + this.now + 1500 : never, this.now);
  }

  send(message: Message): void {
    this.#network.push(message);
  }

  perform({ op, node: nodeIndex, token: tokenIndex, pick, ms, flag }: Step): void {
    const node = this.#nodes[nodeIndex]!;
    const token = this.#issuer.tokens[tokenIndex]!;
    const awake = !node.paused;
    switch (op) {
      case 'tick': this.#elapse(ms); break;
      case 'sleep': this.#elapse(ms === 1 ? 40 : 2000, node); break;
      case 'step-wall-clock': node.wall += flag ? 60_000 : -60_000; break;
      case 'pause': node.paused = true; break;
      case 'continue': node.paused = false; break;
      case 'join': if (awake) node.join(); break;
      case 'ask': if (awake) node.ask(); break;
      case 'apply': if (awake) node.applyPostponed(); break;
      case 'restart': node.restart(); node.join(); break;
      case 'leave': if (awake) node.leave(); break;
      case 'retire': this.#issuer.retire(node.state.verifierId); break;
      case 'call': if (awake) this.#call(node, token, flag); break;
      case 'send-reads': if (awake) node.sendReads(); break;
      case 'deliver': this.#deliver(pick % Math.max(1, this.#network.length)); break;
      case 'deliver-all': this.#deliverAll(); break;
      case 'drop': this.#network.splice(pick % Math.max(1, this.#network.length), 1); break;
      case 'repeat': this.#network.push(...this.#network.slice(pick % Math.max(1, this.#network.length)).slice(0, 1)); break;
      case 'tear': this.#tear(pick); break;
      case 'revoke': this.#issuer.stop('revoke', [token], this.now, { tokenId: token.tokenId }, flag && pick % 4 === 0); break;
      case 'suspend': this.#issuer.stop('suspend', [token], this.now, { tokenId: token.tokenId }, false); break;
      case 'resume': this.#issuer.resume(token, this.now); break;
      case 'owner-epoch': this.#issuer.stop('epoch', this.#issuer.tokens.filter(({ owner }) => owner === token.owner), this.now, { ownerId: token.owner, epoch: 1 }, false); break;
      case 'mass-epoch': this.#issuer.stop('epoch', [...this.#issuer.tokens], this.now, { epoch: 1 }, false); break;
      case 'reissue': this.#issuer.issue(tokenIndex, token.owner, flag ? never : databaseEpochMs + this.now + 900, this.now); break;
      case 'restart-issuer': this.#issuer.restart(); break;
      case 'new-incarnation': this.#issuer.newIncarnation(); break;
      case 'sync': if (awake) { node.ask(); this.#deliverAll((message) => message.kind !== 'read' && message.kind !== 'facts'); } break;
case 'sync-others': for (const other of [0, 1, 2]) if (other !== nodeIndex) this.perform({ op: 'sync', node: other, token: 0, pick: 0, ms: 0, flag: false }); break;
      case 'sync-all': for (const each of [0, 1, 2]) this.perform({ op: 'sync', node: each, token: 0, pick: 0, ms: 0, flag: false }); break;
      case 'facts-arrive': this.#deliverAll((message) => message.kind === 'facts'); break;
      case 'reads-arrive': this.#deliverAll((message) => message.kind === 'read'); break;
      case 'warm': if (awake) { this.#call(node, token, false); node.sendReads(); this.#deliverAll(); } break;
      default: throw new Error(`no such step: ${op}`);
    }
    this.#issuer.settle(this.now);
  }

  #elapse(ms: number, asleep?: VerifierNode): void {
    this.now += ms;
    this.#issuer.mono += ms * 1.0005;
    for (const node of this.#nodes) {
      node.wall += ms;
      if (node !== asleep) node.mono += ms * node.rate;
      // The timer of the seeded bug fires when the process runs.
      if (!node.paused && node !== asleep && !node.state.mayAnswer(node.clocks.mono, node.clocks.wall)) node.leaseFlag = false;
    }
  }

  #call(node: VerifierNode, token: TruthToken, fresh: boolean): void {
    node.call({ token, beganAt: this.now, minSeq: fresh ? this.#issuer.head : undefined });
  }

  #deliverAll(which: (message: Message) => boolean = () => true): void {
    for (let round = 0; round < 12; round++) this.#deliver(this.#network.findIndex((message) => which(message) && this.#deliverable(message)));
  }

  #deliverable(message: Message): boolean {
    return !('to' in message) || !message.to.paused;
  }

  #deliver(index: number): void {
    const message = this.#network[index];
    if (!message || !this.#deliverable(message)) return;
    this.#network.splice(index, 1);
    if ('to' in message) {
      if (message.life === message.to.life) message.to.receive(message);
    } else this.#atIssuer(message);
  }

  #atIssuer(message: Exclude<Message, { to: VerifierNode }>): void {
    const issuer = this.#issuer;
    switch (message.kind) {
      case 'register': return this.send({ kind: 'registered', to: message.from, life: message.life, body: issuer.register(message.from.name, 800) });
      case 'ask': return this.send({ kind: 'grant', to: message.from, life: message.life, body: issuer.ask(message.body, this.now) });
      case 'acknowledge': return issuer.acknowledge(message.verifierId, message.incarnation, message.appliedSeq);
      case 'leave': return issuer.retire(message.verifierId);
      case 'read': return this.send({ kind: 'facts', to: message.from, life: message.life, digest: message.digest, calls: message.calls, facts: issuer.read(message.digest) });
    }
  }

  /** Loses one entry out of the middle of a grant, as a broken relay would. */
  #tear(pick: number): void {
    const torn = this.#network.map((message): Message => {
      if (message.kind !== 'grant' || typeof message.body === 'string' || message.body.entries.length === 0) return message;
      return { ...message, body: { ...message.body, entries: message.body.entries.toSpliced(pick % message.body.entries.length, 1) } };
    });
    this.#network = torn;
  }

  answered(node: VerifierNode, call: Call, answer: VerifyAnswer | { readonly code: string; readonly valid: boolean }): void {
    const { token } = call;
    const stop = this.#issuer.returned.find((one) => one.token === token && one.returnedAt <= call.beganAt && !this.#resumedSince(token, one.order));
    if (stop && !answer.valid) this.coverage.refusedAfterReturn++;
    this.coverage.fenced = this.#issuer.receipts.filter(({ outcome }) => outcome === 'fenced').length;
    this.coverage.acknowledged = this.#issuer.receipts.length - this.coverage.fenced;
    if (answer.valid) this.coverage.valid++;
    if (stop && answer.valid) this.#broken('G4', `${node.name} said VALID of ${token.tokenId} at ${this.now}, whose stop had returned at ${stop.returnedAt}, before the call at ${call.beganAt}`);
    if (!('seq' in answer)) return;
    if (answer.valid && databaseEpochMs + this.now >= token.expiresAtMs) this.#broken('G6', `${node.name} said VALID of ${token.tokenId} after its end`);
    this.#checkFreshness(node, call, answer);
  }

  #broken(guarantee: Guarantee, how: string): void {
    if (this.guarantees.includes(guarantee)) throw new Error(`${guarantee}: ${how}`);
  }

  #resumedSince(token: TruthToken, order: number): boolean {
    return this.#issuer.commits.slice(order).some((commit) => commit.kind === 'resume' && commit.tokens.includes(token));
  }

  #checkFreshness(node: VerifierNode, { token, minSeq, beganAt }: Call, answer: VerifyAnswer): void {
    const incarnation = node.state.incarnation;
    const fail = (why: string): void => this.#broken('G5', `${node.name} at ${this.now}: ${why}; answer ${JSON.stringify(answer)}, call of ${beganAt}`);
    const told = token.history.filter((one) => one.incarnation === incarnation && one.seq <= answer.seq).at(-1);
    if (told && answer.code !== 'EXPIRED' && told.state !== answer.code) fail(`truth at seq ${answer.seq} is ${told.state}`);
    if (answer.valid && minSeq !== undefined && this.#issuer.incarnation === incarnation && answer.seq < minSeq) fail(`less fresh than asked, ${minSeq}`);
    const lives = this.#issuer.incarnations;
    for (const commit of this.#issuer.commits) {
      const reflected = commit.incarnation === incarnation ? commit.seq <= answer.seq : lives.indexOf(commit.incarnation) < lives.indexOf(incarnation);
      if (commit.at < this.now - answer.maxStalenessMs && !reflected) fail(`misses ${commit.seq}, committed ${this.now - commit.at} ms ago`);
      if (answer.asOf !== '' && Math.floor(commit.at) + databaseEpochMs < Date.parse(answer.asOf) && !reflected) fail(`as of ${answer.asOf} misses ${commit.seq}`);
    }
    if (answer.asOf !== '' && Date.parse(answer.asOf) > databaseEpochMs + this.now) fail('as of the future');
  }
}
