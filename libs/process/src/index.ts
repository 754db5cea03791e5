export { ConfigurationError, FromJson, IsAddress, ProcessConfig, readConfig, tlsOf, variableOf } from './config.js';
export { serverLimits } from './server-limits.js';
export { crashWithoutSecrets, createLog, withoutSecrets } from './log.js';
