export const policyErrorCodes = ['no-active-policy-set', 'broken-policy-set', 'decider-closed', 'decider-busy', 'decider-timeout', 'decider-failed'] as const;
export type PolicyErrorCode = (typeof policyErrorCodes)[number];

/** A question that could not be put; never an answer. Callers keep the request undecided and ask again. */
export class PolicyError extends Error {
  constructor(readonly code: PolicyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PolicyError';
  }
}
