export { verifyCodes, type Freshness, type TokenFacts, type VerifyAnswer, type VerifyCode } from './answers.js';
export { budgetOf, Budgets, type Budget, type Spent } from './budget.js';
export { createGateway, Gateway, type GatewayOptions, type GatewayStatus, type VerifyOptions } from './gateway.js';
export { IssuerError } from './issuer-client.js';
export type {
  BatchAnswer, BatchItem, LeaseAsk, LeaseGrant, LeaseRefusal, Receipt, RegisterAsk, Registration, UsageBatch, UsageRecord,
} from './fleet-messages.js';
export {
  covers, defaultFenceBounds, fenceOf, grantedLeaseMs, grantLease, leaseOverBy, maxEntriesPerGrant, maxLeaseMs,
  type Acknowledgement, type FenceBounds, type FenceFacts, type FenceMember, type FenceState, type GrantFacts,
} from './fence.js';
export { answerFromMemory, codeOf, type Wanted } from './answer.js';
export { FailingSources } from './failing-sources.js';
export { inNetworks } from './networks.js';
export { ReadQueue } from './read-queue.js';
export { sourceOf } from './source.js';
export { TokenCache, type CachedState, type CachedToken, type Grant } from './token-cache.js';
export { networkOf, UsageBook } from './usage-book.js';
export { clockDrift, clockToleranceMs, VerifierState, type Clocks, type ReadResult } from './verifier-state.js';
export {
  expressMiddleware, fastifyHook, nestGuard, refusalFor, RefusedError, tokenOf,
  type FastifyReplyLike, type MiddlewareOptions, type NestContextLike, type NestGuardOptions, type NodeResponseLike, type Refusal, type RequestLike,
} from './middleware.js';
