export { Http, ProblemError, UnreachableError, type Authorization, type Call } from './http.js';
export { basic, serviceNames, writAs, type ServiceUrls, type Writ } from './writ.js';
export { keepFresh, type KeepFreshOptions } from './keep-fresh.js';
export { nextStep, type Seen, type Step } from './next-step.js';
export { callbackStore, environmentStore, fileStore, type ClaimNote, type SecretStore } from './secret-store.js';
export { ClientKeyError, discoverProvider, isLocalHttp, providerRefusal, type ClientProof } from './provider.js';
