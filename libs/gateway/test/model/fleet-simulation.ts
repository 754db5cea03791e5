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
  /** Counts steps: what happens in the same millisecond still has an order. */
  #moment = 0;
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

  /** What only a running process does. */
  readonly #byProcess: Readonly<Record<string, (node: VerifierNode, token: TruthToken, step: Step) => void>> = {
    join: (node) => node.join(),
    ask: (node) => node.ask(),
    apply: (node) => node.applyPostponed(),
    leave: (node) => node.leave(),
    call: (node, token, { flag }) => this.#call(node, token, flag),
    'send-reads': (node) => node.sendReads(),
    sync: (node) => this.#sync(node),
    'read-under-way': (node, token) => {
      this.#call(node, token, false);
      node.sendReads();
      this.#deliverAll(({ kind }) => kind === 'read');
    },
    'grant-under-way': (node) => {
      node.ask();
      this.#deliverAll(({ kind }) => kind === 'ask');
    },
    warm: (node, token) => {
      this.#call(node, token, false);
      node.sendReads();
      this.#deliverAll();
    },
  };

  /** What happens to processes, clocks, network and issuer. */
  readonly #fromOutside: Readonly<Record<string, (node: VerifierNode, token: TruthToken, step: Step) => void>> = {
    tick: (_node, _token, { ms }) => this.#elapse(ms),
    sleep: (node, _token, { ms }) => this.#elapse(ms === 1 ? 40 : 2000, node),
    'step-wall-clock': (node, _token, { flag }) => { node.wall += flag ? 60_000 : -60_000; },
    pause: (node) => { node.paused = true; },
    continue: (node) => { node.paused = false; },
    restart: (node) => {
      node.restart();
      node.join();
    },
    retire: (node) => this.#issuer.retire(node.state.verifierId),
    'sync-others': (node) => this.#nodes.filter((other) => other !== node && !other.paused).forEach((other) => this.#sync(other)),
    'sync-all': () => this.#nodes.filter(({ paused }) => !paused).forEach((each) => this.#sync(each)),
    deliver: (_node, _token, { pick }) => this.#deliver(this.#picked(pick)),
    'deliver-all': () => this.#deliverAll(),
    'grants-arrive': () => this.#deliverAll(({ kind }) => kind === 'grant'),
    'facts-arrive': () => this.#deliverAll(({ kind }) => kind === 'facts'),
    drop: (_node, _token, { pick }) => this.#network.splice(this.#picked(pick), 1),
    repeat: (_node, _token, { pick }) => this.#network.push(...this.#network.slice(this.#picked(pick)).slice(0, 1)),
    tear: (_node, _token, { pick }) => this.#tear(pick),
    revoke: (_node, token, { flag, pick }) => this.#issuer.stop('revoke', [token], this.now, { tokenId: token.tokenId }, flag && pick % 4 === 0),
    suspend: (_node, token) => this.#issuer.stop('suspend', [token], this.now, { tokenId: token.tokenId }, false),
    resume: (_node, token) => this.#issuer.resume(token, this.now),
    'owner-epoch': (_node, { owner }) => this.#issuer.stop('epoch', this.#issuer.tokens.filter((one) => one.owner === owner), this.now, { ownerId: owner, epoch: 1 }, false),
    'mass-epoch': () => this.#issuer.stop('epoch', [...this.#issuer.tokens], this.now, { epoch: 1 }, false),
    reissue: (_node, { owner }, { token, flag }) => this.#issuer.issue(token, owner, flag ? never : databaseEpochMs + this.now + 900, this.now),
    'restart-issuer': () => this.#issuer.restart(),
    'new-incarnation': () => this.#issuer.newIncarnation(),
  };

  perform(step: Step): void {
    this.#moment++;
    const node = this.#nodes[step.node]!;
    const token = this.#issuer.tokens[step.token]!;
    const byProcess = this.#byProcess[step.op];
    if (!byProcess) this.#fromOutside[step.op]!(node, token, step);
    else if (!node.paused) byProcess(node, token, step);
    this.#issuer.settle(this.#moment);
  }

  /** One ask and its answer, while reads stay under way. */
  #sync(node: VerifierNode): void {
    node.ask();
    this.#deliverAll(({ kind }) => kind !== 'read' && kind !== 'facts');
    this.#issuer.settle(this.#moment);
  }

  #picked(pick: number): number {
    return pick % Math.max(1, this.#network.length);
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
    node.call({ token, beganAt: this.#moment, minSeq: fresh ? this.#issuer.head : undefined });
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
    const stop = this.#issuer.returned.find((one) => one.token === token && one.returnedAt < call.beganAt && !this.#resumedSince(token, one.order));
    if (stop && !answer.valid) this.coverage.refusedAfterReturn++;
    this.coverage.fenced = this.#issuer.receipts.filter(({ outcome }) => outcome === 'fenced').length;
    this.coverage.acknowledged = this.#issuer.receipts.length - this.coverage.fenced;
    if (answer.valid) this.coverage.valid++;
    if (stop && answer.valid) this.#broken('G4', `${node.name} said VALID of ${token.tokenId} in step ${this.#moment}, whose stop had returned in step ${stop.returnedAt}, before the call of step ${call.beganAt}`);
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
    const fail = (why: string): void => this.#broken('G5', `${node.name} at ${this.now}: ${why}; answer ${JSON.stringify(answer)}, call of step ${beganAt}`);
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
