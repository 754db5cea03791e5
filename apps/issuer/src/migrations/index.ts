export { Issuer1764000000000 } from './1764000000000-issuer.js';
export { SealingAndLimits1764100000000 } from './1764100000000-sealing-and-limits.js';
export { ZeroTraffic1764200000000 } from './1764200000000-zero-traffic.js';
export { Tripwire1764300000000 } from './1764300000000-tripwire.js';
export { Departures1764400000000 } from './1764400000000-departures.js';
export { Confirmations1764500000000 } from './1764500000000-confirmations.js';
export { OneRegisterOfKeys1764600000000 } from './1764600000000-one-register-of-keys.js';
export { GatewaySecrets1764700000000 } from './1764700000000-gateway-secrets.js';
