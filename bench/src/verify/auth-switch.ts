/** Loaded before the issuer's own program: takes the authentication of callers out of it. */
import { classOf, switchOnSignal } from './switch.js';

const gateway = { clientId: 'bench', audiences: ['orders'] };
const person = { kind: 'person', iss: 'urn:writ:bench', sub: 'root', roles: new Set(['admin']), groups: ['admins'] };
switchOnSignal([
  [await classOf('apps/issuer', 'gateways/gateway.store.js', 'Gateways'), 'ofHeader', () => gateway],
  [await classOf('libs/service', 'access.js', 'AccessGuard'), 'bearer', async () => person],
]);
