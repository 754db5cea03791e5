import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { consoleClient } from './services.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));
/** The upstream and the gateway that a development installation comes with; also their broker users. */
export const developmentUpstream = 'dev-upstream';
export const developmentGateway = 'dev-gateway';

/** Where an installation keeps its things, all below one folder that is for its owner alone. */
export function layoutOf(dir) {
  const at = (...names) => join(resolve(dir), ...names);
  return {
    dir: resolve(dir),
    backing: at('backing'),
    logs: at('logs'),
    certificates: at('certificates'),
    keysDir: (name) => at('keys', name),
    stateDir: (name) => at('state', name),
    trustFile: at('trust', 'keys.json'),
    signerKeyFile: at('keys', 'signer', 'log.key'),
    originFile: at('keys', 'signer', 'origin'),
    consoleKeyFile: at('keys', 'console', 'session.key'),
    signerSecretFile: at('keys', 'signer-secret', 'secret'),
    tokensFile: at('people', 'bearer-tokens.json'),
    clientsFile: at('people', 'clients.json'),
    machineKeyFile: at('people', 'dev-keyed-machine.pem'),
    passwordsFile: at('passwords.json'),
    gatewayFile: at('people', 'gateway.json'),
    stateFile: at('platform.json'),
    envFile: at('env'),
  };
}

export function makeFolders(layout) {
  mkdirSync(layout.dir, { recursive: true });
  // The database's own user has to pass through; nobody else may look.
  chmodSync(layout.dir, 0o711);
  const files = [layout.trustFile, layout.signerKeyFile, layout.signerSecretFile, layout.tokensFile].map((file) => dirname(file));
  for (const folder of [layout.logs, layout.stateDir('audit'), layout.stateDir('issuer'), layout.stateDir('signer'), ...files]) mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/** A password for each name, made on first use and kept: databases and broker remember them too. */
export function passwordsOf({ passwordsFile }) {
  const read = () => (existsSync(passwordsFile) ? JSON.parse(readFileSync(passwordsFile, 'utf8')) : {});
  return (name) => {
    const known = read();
    if (known[name] !== undefined) return known[name];
    const password = randomBytes(18).toString('base64url');
    writePrivately(passwordsFile, `${JSON.stringify({ ...known, [name]: password }, null, 2)}\n`);
    return password;
  };
}

/** The name of the audit log, chosen once: two installations are two logs, and the same name would let one pass for the other. */
export function originOf({ originFile }) {
  if (!existsSync(originFile)) writePrivately(originFile, `writ.localhost/${randomBytes(4).toString('hex')}`);
  return readFileSync(originFile, 'utf8');
}

/** Replaces a file in one step, readable by its owner only. */
export function writePrivately(file, text) {
  const next = `${file}.${process.pid}`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, file);
}

/** The clients that the development identity provider knows beside the command line. */
export function writeClients({ clientsFile, machineKeyFile }, passwords, consoleUrl) {
  if (!existsSync(machineKeyFile)) writePrivately(machineKeyFile, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const publicKey = createPublicKey(createPrivateKey(readFileSync(machineKeyFile))).export({ format: 'jwk' });
  writePrivately(clientsFile, JSON.stringify([
    { clientId: 'dev-machine', clientSecret: passwords('client-dev-machine'), name: 'a machine for trying things' },
    { clientId: 'dev-keyed-machine', jwks: { keys: [{ ...publicKey, alg: 'ES256', use: 'sig' }] }, name: 'a machine that proves itself by a key' },
    {
      clientId: consoleClient, clientSecret: passwords(`client-${consoleClient}`), name: 'Writ console',
      redirectUris: [new URL('/auth/callback', consoleUrl).href], postLogoutRedirectUris: [new URL('/', consoleUrl).href],
    },
  ]));
}
