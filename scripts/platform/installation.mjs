import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

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
    keysDir: (name) => at('keys', name),
    stateDir: (name) => at('state', name),
    trustFile: at('keys', 'trust.json'),
    signerKeyFile: at('keys', 'signer', 'log.pem'),
    signerSecretFile: at('keys', 'signer.secret'),
    tokensFile: at('keys', 'bearer-tokens.json'),
    clientsFile: at('keys', 'clients.json'),
    passwordsFile: at('keys', 'passwords.json'),
    gatewayFile: at('keys', 'gateway.json'),
    stateFile: at('platform.json'),
    envFile: at('env'),
  };
}

export function makeFolders(layout) {
  mkdirSync(layout.dir, { recursive: true });
  // The database's own user has to pass through; nobody else may look.
  chmodSync(layout.dir, 0o711);
  for (const folder of [layout.logs, layout.keysDir('signer'), layout.stateDir('issuer'), layout.stateDir('signer')]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
}

/** A password for each name, made on first use and kept: databases and broker remember them too. */
export function passwordsOf({ passwordsFile }) {
  const known = existsSync(passwordsFile) ? JSON.parse(readFileSync(passwordsFile, 'utf8')) : {};
  return (name) => {
    if (known[name] === undefined) {
      known[name] = randomBytes(18).toString('base64url');
      writePrivately(passwordsFile, `${JSON.stringify(known, null, 2)}\n`);
    }
    return known[name];
  };
}

/** Replaces a file in one step, readable by its owner only. */
export function writePrivately(file, text) {
  const next = `${file}.${process.pid}`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, file);
}
