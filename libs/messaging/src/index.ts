export { Broker } from './broker.js';
export { ConcurrentChange, Db, lookup, toJson, type Lookup } from './database.js';
export { MessageHandler, On, OnSubmission } from './handler.js';
export { brokerUser, isUnavailable, maxSubmissionBytes, turnsOf, Unacceptable, Unavailable, type Submitted } from './incoming.js';
export type { Log } from './log.js';
export { Messaging1700000000000 } from './migration.js';
export { counted, renewCounters } from './outbox.js';
export { backlog, parkedMessages, replayParked, type Backlog, type ParkedMessage } from './parked.js';
export { Publisher, type Publication, type PublishResult } from './publisher.js';
export { StandingChannel } from './standing-channel.js';
export { Messaging, type MessagingOptions } from './strategy.js';
export {
  gatewayPermissions, identitySystemPermissions, mainTopology, rpcTopology, servicePermissions, upstreamPermissions,
  type Permission, type TopicPermission, type Topology,
} from './topology.js';
export { acts, receipts, traced, Transactions, Tx, type ActOf, type EmitOptions } from './transaction.js';
