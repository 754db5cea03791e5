import type { ResponseRule } from '@writ/contracts';
import type { Decision } from './decision.js';
import { DeciderThread } from './decider-thread.js';
import type { Exchanges } from './decider-protocol.js';
import type { Loosening } from './loosening.js';
import type { PolicyFiles } from './policy-set.js';
import type { Replay } from './replay.js';

/** Compares two sets as `loosening` does, on a thread of its own: it may take seconds. */
export function compareOnThread(active: PolicyFiles, draft: PolicyFiles, { timeoutMs = 120_000 } = {}): Promise<Loosening> {
  return askOnce('compare', { active, draft }, timeoutMs);
}

/** How far a set lets the monitor go; null where it does not say, or cannot be read. */
export function responseOnThread(files: PolicyFiles, { timeoutMs = 60_000 } = {}): Promise<readonly ResponseRule[] | null> {
  return askOnce('response', { files }, timeoutMs);
}

/** Makes a stored decision again as `replay` does, on a thread of its own: loading the set may take a while. */
export function replayOnThread(record: Decision, files: PolicyFiles, { timeoutMs = 60_000 } = {}): Promise<Omit<Replay, 'decision'>> {
  return askOnce('replay', { record, files }, timeoutMs);
}

async function askOnce<K extends 'compare' | 'replay' | 'response'>(kind: K, ask: Exchanges[K]['ask'], timeoutMs: number): Promise<Exchanges[K]['answer']> {
  const thread = new DeciderThread();
  try {
    return await thread.ask(kind, ask, timeoutMs);
  } finally {
    await thread.stop();
  }
}
