import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Problem } from '../backing/problem.mjs';
import { runNode } from './build.mjs';
import { environmentOf, processes, processOf } from './services.mjs';

const privately = (file, text) => writeFileSync(file, text, { mode: 0o600, flag: 'wx' });

/**
 * Makes the keys of an installation where they are not there yet: each service's own private ones in a folder of its
 * own, and the trust file that names the public ones to everybody who checks.
 */
export function createKeys({ keysDir, trustFile, signerSecretFile, consoleKeyFile }) {
  const trusted = processes.filter(({ signs }) => signs !== undefined).flatMap(({ name, signs }) => signingKeys(keysDir(name), name)
    .map(({ kid, publicKey }) => ({ kid, service: name, purposes: signs, publicKey: publicKey.export({ type: 'spki', format: 'pem' }) })));
  writeFileSync(trustFile, `${JSON.stringify({ keys: trusted }, null, 2)}\n`, { mode: 0o644 });
  for (const { name, keeps } of processes) for (const kind of keeps ?? []) secretKey(keysDir(name), kind);
  for (const name of ['identity', 'console']) mkdirSync(keysDir(name), { recursive: true, mode: 0o700 });
  if (!existsSync(consoleKeyFile)) privately(consoleKeyFile, `${randomBytes(32).toString('base64')}\n`);
  if (!existsSync(signerSecretFile)) privately(signerSecretFile, `${randomBytes(32).toString('base64url')}\n`);
}

/** All of them, not only the one that signs now: what an older one signed is still to be believed. */
function signingKeys(dir, service) {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const isKey = (name) => /^signing\.[\w-]+\.pem$/.test(name);
  if (!readdirSync(dir).some(isKey)) privately(join(dir, `signing.${service}-${newKid()}.pem`), newEd25519());
  return readdirSync(dir).filter(isKey).map((name) => ({
    kid: name.slice('signing.'.length, -'.pem'.length), publicKey: createPublicKey(readFileSync(join(dir, name))),
  }));
}

function secretKey(dir, kind) {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  if (readdirSync(dir).some((name) => name.startsWith(`${kind}.`))) return;
  privately(join(dir, `${kind}.${newKid()}.key`), `${randomBytes(32).toString('base64')}\n`);
}

/** Of several keys the last by name is the current one, so names sort by when they were made. */
const newKid = () => `${new Date().toISOString().replaceAll(/\D/g, '').slice(0, 14)}-${randomBytes(2).toString('hex')}`;

const newEd25519 = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });

/**
 * Has the signer make its key and its empty head, or take up those it has: it alone knows their form, and refuses a
 * key whose head is gone. Answers the log's verifier key, `name+hash+key` (C2SP signed-note).
 */
export async function initialiseSigner(facts) {
  const signer = processOf('signer');
  const { code, output } = await runNode([signer.entry, 'init'], { env: { PATH: process.env.PATH, ...environmentOf(signer, facts) }, timeoutMs: 30_000 });
  if (code === 0) return output.trim();
  throw new Problem('The signer of the audit log cannot take up its key.', `It said: ${output.trim()}`);
}
