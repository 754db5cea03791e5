export { CommandConfig, ConfigurationError, FromJson, IsAddress, IsSecretsAddress, ProcessConfig, readConfig, tlsOf, variableOf } from './config.js';
export { serverLimits } from './server-limits.js';
export { crashWithoutSecrets, createLog, withoutSecrets } from './log.js';
