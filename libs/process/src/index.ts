export { ConfigurationError, FromJson, IsAddress, ProcessConfig, readConfig, tlsOf, variableOf } from './config.js';
export { createLog, withoutSecrets } from './log.js';
