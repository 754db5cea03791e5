import type { Catalog } from './catalog.js';
import type { CheckResult } from './check.js';
import type { Decision } from './decision.js';
import { DeciderThread } from './decider-thread.js';
import type { PolicyFacts } from './facts.js';
import { DecisionMemo } from './memo.js';
import { PolicyError } from './policy-error.js';
import type { PolicyFiles } from './policy-set.js';
import type { LiveToken, SimulationReport, StoredRequest } from './simulate.js';

export interface DeciderOptions {
  /** How many answers are remembered. */
  readonly memoSize?: number;
  /** How long a decision may take before its thread is given up and replaced. */
  readonly timeoutMs?: number;
  /** How many decisions may wait; beyond that callers get `decider-busy` and ask again later. */
  readonly maxPending?: number;
}

/** Decides off the event loop. Equal facts under the same set are decided once. */
export interface Decider {
  /** Digest of the set that decides now. */
  readonly activeDigest: string | undefined;
  /**
   * Makes a set decide. Decisions asked for before are made by the set before. Throws `broken-policy-set` and keeps the
   * set before when the new one does not load.
   */
  activate(files: PolicyFiles): Promise<{ digest: string; catalog: Catalog }>;
  /**
   * Decides one request; with `nearest`, a hold or denial says what would be approved. The answer is frozen and may be
   * shared. Throws a {@link PolicyError}, never an answer, when nothing can be decided.
   */
  decide(facts: PolicyFacts, options?: { nearest?: boolean }): Promise<Decision>;
  close(): Promise<void>;
}

/** Starting a thread and reading a set takes longer than any decision. */
const activationTimeoutMs = 30_000;

export function createDecider({ memoSize = 20_000, timeoutMs = 10_000, maxPending = 10_000 }: DeciderOptions = {}): Decider {
  let thread = new DeciderThread();
  let closed = false;
  let active: { files: PolicyFiles; digest: string; memo: DecisionMemo<Promise<Decision>> } | undefined;

  /** A thread that died is replaced, and given the active set before any question. */
  const living = (): DeciderThread => {
    if (closed) throw new PolicyError('decider-closed', 'the decider was closed');
    if (thread.alive) return thread;
    thread = new DeciderThread();
    // Not awaited: the thread answers in order, and a failure here fails the questions behind it too.
    if (active) thread.ask('activate', { files: active.files }, activationTimeoutMs).catch(() => undefined);
    return thread;
  };

  return {
    get activeDigest() {
      return active?.digest;
    },
    async activate(files) {
      const { digest, problems, catalog } = await living().ask('activate', { files }, activationTimeoutMs);
      if (!catalog) throw new PolicyError('broken-policy-set', `${problems.length} problems, the first: ${problems[0]!.file}:${problems[0]!.line} ${problems[0]!.message}`);
      active = { files, digest, memo: new DecisionMemo(memoSize) };
      return { digest, catalog };
    },
    async decide(facts, { nearest = false } = {}) {
      const deciding = living();
      if (!active) throw new PolicyError('no-active-policy-set', 'no policy set is active, so nothing can be decided');
      const key = DecisionMemo.keyOf(facts);
      const { memo, digest } = active;
      const memoKey = key === undefined ? undefined : `${nearest ? 'n' : '-'}${key}`;
      const known = memoKey === undefined ? undefined : memo.get(memoKey);
      if (known) return known;
      if (deciding.pending >= maxPending) throw new PolicyError('decider-busy', `${maxPending} decisions are waiting already; ask again later`);
      const answer = deciding.ask('decide', { facts, nearest }, timeoutMs).then((decision) => deepFreeze(decision));
      if (memoKey !== undefined) remember(memo, memoKey, digest, answer);
      return answer;
    },
    async close() {
      closed = true;
      await thread.stop();
    },
  };
}

/** A failure is not an answer; nor is one that another set gave while the sets were being swapped. */
function remember(memo: DecisionMemo<Promise<Decision>>, key: string, digest: string, answer: Promise<Decision>): void {
  memo.set(key, answer);
  answer.then(
    (decision) => {
      if (decision.policyDigest !== digest || decision.errors.length > 0) memo.delete(key);
    },
    () => memo.delete(key),
  );
}

/** Checks a set as `checkPolicySet` does, on a thread of its own: analysis may take seconds. */
export async function checkOnThread(files: PolicyFiles, { timeoutMs = 120_000 } = {}): Promise<Omit<CheckResult, 'set'>> {
  const thread = new DeciderThread();
  try {
    return await thread.ask('check', { files }, timeoutMs);
  } finally {
    await thread.stop();
  }
}

export interface SimulationInput {
  readonly active: PolicyFiles;
  readonly draft: PolicyFiles;
  /** Requests in any order, in pieces of any size; read no faster than they are decided. */
  readonly requests: AsyncIterable<readonly StoredRequest[]> | Iterable<readonly StoredRequest[]>;
  readonly tokens?: readonly LiveToken[];
  readonly onProgress?: (done: number) => void;
  /** For each piece. */
  readonly timeoutMs?: number;
}

/** Simulates on a thread of its own, so that live decisions are not slowed. */
export async function simulateOnThread({ active, draft, requests, tokens = [], onProgress, timeoutMs = 60_000 }: SimulationInput): Promise<SimulationReport> {
  const thread = new DeciderThread();
  try {
    await thread.ask('simulate-begin', { active, draft }, timeoutMs);
    for await (const piece of requests) {
      for (let i = 0; i < piece.length; i += 1_000) {
        const { done } = await thread.ask('simulate-requests', { requests: piece.slice(i, i + 1_000) }, timeoutMs);
        onProgress?.(done);
      }
    }
    await thread.ask('simulate-tokens', { tokens }, timeoutMs);
    return await thread.ask('simulate-end', {}, timeoutMs);
  } finally {
    await thread.stop();
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
