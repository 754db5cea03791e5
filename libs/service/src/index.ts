export { ConfigurationError, createLog, FromJson, IsAddress, IsSecretsAddress, readConfig, variableOf, withoutSecrets } from '@writ/process';
export { AccessGuard, Bearers, failureFrom, GatewayRegister, mustBeSteppedUp } from './access.js';
export { FailingSources, sourceOf } from '@writ/gateway';
export {
  Allow, AllowAfterStepUp, AllowGateway, CallerOf, ChangesNothing, principalOf, Public, type AccessRule, type Caller, type WithCaller,
} from './caller.js';
export { Clock } from './clock.js';
export { roles, ServiceConfig, type Role } from './config.js';
export { Courtesy } from './courtesy.js';
export { Health, type Check } from './health.js';
export { NoReplay } from './idempotency.js';
export { Jobs } from './jobs.js';
export { loadSecretKeys, loadSigningKey, loadTrust } from './keys.js';
export { migrate } from './migrate.js';
export { GoesOn } from './pressure.js';
export { bodyOf, conflict, forbidden, invalid, later, notFound, Problem, problemDocument, rateLimited, type ProblemFacts } from './problems.js';
export { LOG, runService, startService, type Service, type ServiceOptions } from './start-service.js';
export { inSlices, unhurried } from './unhurried.js';
export { noticeBody, wants, writeNotices, type EventNotice, type EventTarget } from './webhooks/event-notice.js';
export { noticeTable, writeNotice } from './webhooks/notice.store.js';
export { isPublicAddress, postSigned, type Notice } from './webhooks/post-signed.js';
export { WebhookDeliveries } from './webhooks/webhook-deliveries.job.js';
export { AreTargets, slackText, WebhookTarget } from './webhooks/webhook-target.js';
