/** What a service takes from here that has its decisions made on threads: it loads no engine itself, which costs 40 MB. */
export { checkOnThread, createDecider, simulateOnThread } from './decider.js';
export { engineVersion } from './engine-version.js';
export { compareOnThread, replayOnThread, responseOnThread } from './on-thread.js';
export { PolicyError } from './policy-error.js';
