import { parentPort } from 'node:worker_threads';
import { checkPolicySet } from './check.js';
import { decide } from './decide.js';
import type { Answered, Ask, ExchangeKind, Exchanges } from './decider-protocol.js';
import { loosening } from './loosening.js';
import { engine } from './engine.js';
import { withNearest } from './nearest.js';
import { loadPolicySet } from './policy-set.js';
import type { PolicyFiles, PolicySet } from './policy-set.js';
import { replay } from './replay.js';
import { Simulation } from './simulate.js';

/** The thread behind a decider: one engine, one question at a time. */
let active: PolicySet | undefined;
let simulation: Simulation | undefined;

function loaded(files: PolicyFiles): PolicySet {
  const { set, problems } = loadPolicySet(files);
  if (!set) throw new Error(`the policy set has ${problems.length} problems, the first: ${problems[0]?.message}`);
  return set;
}

function running(): Simulation {
  if (!simulation) throw new Error('no simulation was begun');
  return simulation;
}

function answer(ask: Ask): Exchanges[ExchangeKind]['answer'] {
  switch (ask.kind) {
    case 'activate': {
      const { digest, set, problems } = loadPolicySet(ask.files);
      if (set) active = set;
      return { digest, problems, ...(set ? { catalog: set.catalog } : {}) };
    }
    case 'decide': {
      if (!active) throw new Error('no policy set is active');
      const decision = decide(active, ask.facts);
      return ask.nearest ? withNearest(active, decision) : decision;
    }
    case 'check': {
      // A set itself does not travel between threads.
      const { valid, digest, problems, cases, analysis } = checkPolicySet(ask.files);
      return { valid, digest, problems, cases, ...(analysis ? { analysis } : {}) };
    }
    case 'compare':
      return loosening(loaded(ask.active), loaded(ask.draft));
    case 'response':
      return loadPolicySet(ask.files).set?.response ?? null;
    case 'replay': {
      const { same, differences } = replay(ask.record, loaded(ask.files));
      return { same, differences };
    }
    case 'simulate-begin':
      simulation = new Simulation(loaded(ask.active), loaded(ask.draft));
      return null;
    case 'simulate-requests':
      return { done: running().addRequests(ask.requests) };
    case 'simulate-tokens':
      running().addTokens(ask.tokens);
      return null;
    case 'simulate-end':
      return running().report();
  }
}

parentPort!.on('message', (ask: Ask) => {
  let reply: Answered;
  try {
    reply = { id: ask.id, answer: answer(ask) };
  } catch (error) {
    reply = { id: ask.id, failure: error instanceof Error ? error.message : String(error) };
  }
  parentPort!.postMessage(reply);
  // An engine that trapped stays broken as long as its thread: end it, and the decider starts another.
  if (engine.failure !== undefined) process.exit(1);
});
