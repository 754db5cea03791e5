import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inPath, installPackages } from './binaries.mjs';
import { alone } from './state.mjs';

/**
 * `node scripts/backing/stock-gateways.mjs` prints as JSON where the foreign servers of docs/gateways.md are on this
 * machine, `null` for each that is missing. What is missing is installed first, where this user may install.
 */
const apacheModules = '/usr/lib/apache2/modules';
const servers = {
  nginx: { packages: ['nginx'], find: () => inPath('nginx') },
  caddy: { packages: ['caddy'], find: () => inPath('caddy') },
  apache: {
    packages: ['apache2-bin', 'libapache2-mod-auth-openidc'],
    find: () => (existsSync(join(apacheModules, 'mod_auth_openidc.so')) ? inPath('apache2') : undefined),
  },
};

const dir = fileURLToPath(new URL('../../.writ/', import.meta.url));
mkdirSync(dir, { recursive: true });
await alone(dir, async () => {
  const missing = Object.values(servers).filter(({ find }) => find() === undefined);
  if (missing.length === 0) return;
  await installPackages({ dir, log: (line) => process.stderr.write(`  ${line}\n`), packages: missing.flatMap(({ packages }) => packages) });
}, { waitMs: 300_000, file: 'stock-gateways.lock' });
process.stdout.write(JSON.stringify(Object.fromEntries(Object.entries(servers).map(([name, { find }]) => [name, find() ?? null]))));
