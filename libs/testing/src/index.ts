export { backingUrls, uniqueName, type BackingUrls } from './backing.js';
export { roleGroups, TestBench } from './bench.js';
export { Browser, type Page } from './browser.js';
export { Tap, TestBus, until, type Heard } from './bus.js';
export { testDatabase, type TestDatabase } from './database.js';
export { OwnServers, type KillableServer } from './own-servers.js';
export { SignedStore, signatureOf, type SignedRequest } from './signed-store.js';
export { TestIdentity, type TokenFacts } from './identity.js';
export { FaultProxy, type Fault } from './fault-proxy.js';
