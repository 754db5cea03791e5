/** Injects the public keys that count: `@Inject(TRUST) trust: Trust`. Read once from a file that the operator mounts. */
export const TRUST = Symbol('trust');
