export { AuditLog1700000500000 } from './1700000500000-audit-log.js';
