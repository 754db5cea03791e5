/**
 * Loaded before the issuer's own program: each SIGUSR2 takes the authentication of callers out of it, or puts it back.
 * No file of the issuer knows of this.
 */
interface Door { prototype: Record<string, (...args: never[]) => unknown> }

const issuer = (file: string) => import(new URL(`../../../apps/issuer/dist/${file}`, import.meta.url).href);
const service = (file: string) => import(new URL(`../../../libs/service/dist/${file}`, import.meta.url).href);
const { Gateways } = (await issuer('gateways/gateway.store.js')) as { Gateways: Door };
const { AccessGuard } = (await service('access.js')) as { AccessGuard: Door };

const gateway = { clientId: 'bench', audiences: ['orders'] };
const person = { kind: 'person', iss: 'urn:writ:bench', sub: 'root', roles: new Set(['admin']), groups: ['admins'] };
const checks: [Door, string, () => unknown][] = [[Gateways, 'ofHeader', () => gateway], [AccessGuard, 'bearer', async () => person]];
const real = checks.map(([{ prototype }, name]) => prototype[name] as () => unknown);
let isOut = false;
process.on('SIGUSR2', () => {
  isOut = !isOut;
  for (const [i, [{ prototype }, name, nothing]] of checks.entries()) prototype[name] = isOut ? nothing : (real[i] as () => unknown);
});
