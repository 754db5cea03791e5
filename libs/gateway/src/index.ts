export * from './answers.js';
export type * from './fleet-messages.js';
export { VerifierState, clockToleranceMs, type Clocks, type ReadResult } from './verifier-state.js';
