import type { EventType } from '@writ/contracts';

/**
 * The fields of each event that stand in the public leaf. All others are personal until somebody writes them here: a
 * field that a contract grows is hidden by itself. A dot names a field within an object. What could tell a honeytoken
 * from others, such as the detector that fired, is not open either.
 */
export const openFields: Record<EventType, readonly string[]> = {
  'request.submitted': [
    'source', 'requester.team', 'resource', 'audience', 'scopes', 'environment', 'ttl', 'expiresAt', 'delivery', 'replaces',
  ],
  'request.refused': ['source', 'code', 'bodyDigest'],
  'request.cancelled': [],
  'request.approved': ['policyDigest', 'code', 'because', 'grant', 'require'],
  'request.held': ['policyDigest', 'code', 'because', 'require', 'lapsesAt', 'nearest'],
  'request.denied': ['policyDigest', 'code', 'because', 'nearest'],
  'request.lapsed': ['lapsedAt'],
  'review.recorded': ['vote', 'narrow'],
  'policy.activated': ['policyDigest', 'previousDigest', 'activation', 'loosened', 'statement'],
  'token.issued': [
    'owner.team', 'resource', 'audience', 'scopes', 'environment', 'issuedAt', 'expiresAt', 'rotateSeconds', 'graceSeconds',
    'delivery', 'claimBefore', 'replaces',
  ],
  'issue.refused': ['code'],
  'token.delivered': ['generation', 'claims'],
  'token.rotated': ['rotationId', 'stage', 'generation', 'deadlineAt', 'alone'],
  'token.retired': ['rotationId', 'generation', 'code', 'seq'],
  'token.suspended': ['seq', 'by.kind', 'code'],
  'token.resumed': ['seq', 'by.kind', 'code'],
  'token.revoked': ['seq', 'by.kind', 'code'],
  'token.expired': ['seq', 'by.kind', 'code'],
  'token.orphaned': ['owner.team', 'endsAt'],
  'token.straggling': ['owner.team', 'generation', 'retiredAt', 'shownAt'],
  'token.transferred': ['from.team', 'to.team', 'by.kind', 'seq'],
  'stop.blocked': ['alertId', 'code'],
  'stop.confirmed': ['seq', 'code', 'stoppedAt', 'refusedAt', 'acknowledged', 'fenced'],
  'usage.recorded': ['verifierId', 'watermark'],
  'rotation.due': ['rotationId', 'cause', 'deadlineAt', 'claimBefore'],
  'rotation.blocked': ['rotationId', 'deadlineAt'],
  'rotation.steered': ['rotationId', 'command'],
  'token.expiring': ['owner.team', 'expiresAt', 'leadTime'],
  'checkpoint.published': ['origin', 'size', 'root', 'publishedAt', 'cosignatures'],
  'audit.finding': ['origin', 'code', 'detail', 'entry'],
  'misuse.detected': ['alertId', 'observedAt'],
  'leak.reported': ['reportId', 'channel', 'reportedAt'],
  'narrowing.proposed': ['owner.team', 'keep', 'drop', 'unusedDays', 'resource', 'environment', 'expiresAt'],
  'monitoring.changed': ['change'],
  'trust.changed': ['team', 'version'],
  'message.parked': ['service', 'code', 'bodyDigest'],
  'act.recorded': ['service', 'act', 'seq'],
  'service.alive': ['service', 'at', 'counters'],
  'owner.deactivated': ['deactivatedAt', 'transferTo.team'],
};

/**
 * Left out altogether, hidden or not: what is a secret to its owner, or names one. The inner digest of a leaked secret
 * also stands in the statement of its report.
 */
export const leftOut: Partial<Record<EventType, readonly string[]>> = {
  'token.issued': ['sealed'],
  'token.rotated': ['sealed'],
  'leak.reported': ['innerDigest', 'statement'],
};

/** Types of leaves that are not events of the bus, or say of an event that it was not taken. */
export const ownTypes = ['audit.rejected', 'audit.conflict', 'log.heads', 'log.recovered', 'pii.erased'] as const;
export type LeafType = EventType | (typeof ownTypes)[number];
