export { AuditLog1700000500000 } from './1700000500000-audit-log.js';
export { Witness1700000500001 } from './1700000500001-witness.js';
export { ToldFindings1700000500002 } from './1700000500002-told-findings.js';
export { Heads1700000500003 } from './1700000500003-heads.js';
