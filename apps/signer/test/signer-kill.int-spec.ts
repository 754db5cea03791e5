import { randomInt } from 'node:crypto';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCheckpoint } from '@writ/tlog';
import { Branch } from './branch.js';
import { build, SignerProcess, workplace } from './signer-process.js';

/** A soak run sets a larger number; each log takes a share of it. */
const kills = Number(process.env.WRIT_SOAK_KILLS ?? 12);
const killsPerLog = 25;

beforeAll(build, 60_000);

/**
 * A publisher that cannot be trusted: after a lost answer it tries, half of the time, another tree of the same size
 * first. It keeps every signature it ever obtained, with the tree it was obtained for.
 */
class Publisher {
  readonly place = workplace();
  readonly signed: Branch[] = [];
  readonly seen = { recorded: 0, unrecorded: 0, forksSigned: 0, forksRefused: 0 };
  /** The last tree an answer came for, and the one that was asked for after it. */
  answered = new Branch();
  asked = new Branch();
  signer!: SignerProcess;
  #step = 0;

  async start(): Promise<void> {
    this.signer = await SignerProcess.start(this.place.env);
  }

  /** Returns the status, undefined when the answer was lost. */
  async ask(tree: Branch, from: Branch): Promise<number | undefined> {
    const proof = await tree.proveFrom(from.size);
    let answer: { status: number; text: string };
    try {
      const response = await this.signer.sign(tree.size, tree.rootAt(tree.size), proof);
      answer = { status: response.status, text: await response.text() };
    } catch {
      return undefined;
    }
    if (answer.status === 200) {
      expect(openCheckpoint(answer.text, [this.place.vkey])).toMatchObject({ size: tree.size, root: tree.rootAt(tree.size) });
      this.signed.push(tree);
    }
    return answer.status;
  }

  async growUntilKilled(): Promise<void> {
    const doomed = this.signer;
    const killer = sleep(randomInt(0, 40)).then(() => doomed.kill());
    let status: number | undefined;
    do {
      this.asked = this.answered.grow(1, `honest ${this.#step++}`);
      status = await this.ask(this.asked, this.answered);
      if (status === 200) this.answered = this.asked;
    } while (status === 200);
    expect(status).toBeUndefined();
    await killer;
    await doomed.ended;
  }

  /** After the restart: the unanswered tree was recorded or not; nothing else is there, and nothing answered is gone. */
  async goOn(): Promise<void> {
    const { size, root } = await this.signer.head();
    expect([this.answered.size, this.asked.size]).toContain(size);
    const recorded = size === this.asked.size;
    const head = recorded ? this.asked : this.answered;
    expect(root).toBe(head.rootAt(size).toString('base64'));
    this.seen[recorded ? 'recorded' : 'unrecorded']++;
    if (randomInt(2) === 0) {
      const fork = this.answered.grow(1, `forged ${this.#step++}`);
      expect(await this.ask(fork, recorded ? fork : head)).toBe(recorded ? 409 : 200);
      this.seen[recorded ? 'forksRefused' : 'forksSigned']++;
      if (!recorded) this.asked = fork;
    }
    const now = await this.signer.head();
    expect(await this.ask(this.asked, now.size === this.asked.size ? this.asked : this.answered)).toBe(200);
    this.answered = this.asked;
  }

  /** Each signed tree must begin with the one signed before it by size; by the roots, so must all. */
  expectConsistent(): void {
    const bySize = [...this.signed].sort((a, b) => a.size - b.size);
    bySize.slice(1).forEach((later, i) => {
      const earlier = bySize[i]!;
      expect(later.rootAt(earlier.size).equals(earlier.rootAt(earlier.size))).toBe(true);
    });
  }
}

it(`signs nothing inconsistent and forgets nothing, killed ${kills} times at random moments`, async () => {
  const total = { recorded: 0, unrecorded: 0, forksSigned: 0, forksRefused: 0, signatures: 0 };
  for (let left = kills; left > 0; left -= killsPerLog) {
    const publisher = new Publisher();
    try {
      await publisher.start();
      for (let i = 0; i < Math.min(left, killsPerLog); i++) {
        await publisher.growUntilKilled();
        await publisher.start();
        await publisher.goOn();
      }
      publisher.expectConsistent();
      for (const key of Object.keys(publisher.seen) as (keyof typeof publisher.seen)[]) total[key] += publisher.seen[key];
      total.signatures += publisher.signed.length;
    } finally {
      await publisher.signer.stop();
      rmSync(publisher.place.dir, { recursive: true });
    }
  }
  expect(total.recorded + total.unrecorded).toBe(kills);
  if (process.env.WRIT_SOAK) process.stderr.write(`  soak: signer killed ${kills} times: ${JSON.stringify(total)}\n`);
}, 60_000 + kills * 3_000);
