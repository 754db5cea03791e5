import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { purposes, type Purpose, type SigningKey, type Trust, type TrustedKey } from '@writ/contracts';

/**
 * Reads the service's own signing key from `signing.<kid>.pem` (Ed25519, PKCS#8). Where several lie there, the last by
 * name signs; the others' public halves stay in the trust files until what they signed has expired.
 */
export function loadSigningKey(dir: string): SigningKey {
  const names = readdirSync(dir).filter((name) => /^signing\.[\w-]+\.pem$/.test(name)).sort();
  const name = names.at(-1);
  if (!name) throw new Error(`There is no signing.<kid>.pem in ${dir}.`);
  const privateKey = createPrivateKey(readFileSync(join(dir, name)));
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new Error(`${name} is not an Ed25519 key.`);
  return { kid: name.slice('signing.'.length, -'.pem'.length), privateKey };
}

/**
 * Reads the public keys that an operator mounted:
 * `{"keys":[{"kid":"…","service":"policy","purposes":["decision","vote"],"publicKey":"-----BEGIN PUBLIC KEY-----…"}]}`.
 */
export function loadTrust(file: string): Trust {
  const { keys } = JSON.parse(readFileSync(file, 'utf8')) as { keys: { kid: string; service: string; purposes: Purpose[]; publicKey: string }[] };
  const trust = new Map<string, TrustedKey>();
  for (const { kid, service, purposes: granted, publicKey } of keys) {
    const unknown = granted.filter((purpose) => !purposes.includes(purpose));
    if (unknown.length > 0) throw new Error(`${file}: key ${kid} is trusted for ${unknown.join(', ')}, which is no purpose.`);
    if (trust.has(kid)) throw new Error(`${file}: key ${kid} stands there twice.`);
    trust.set(kid, { kid, service, purposes: granted, publicKey: createPublicKey(publicKey) });
  }
  return trust;
}

/**
 * Reads keys of 32 random bytes in base64, oldest first: from `<kind>.<kid>.key`, whose last by name makes what is new,
 * and from `<kind>.<kid>.next.key`, which comes before all of them: known, so that what another replica makes with it
 * already is understood, and not yet used.
 */
export function loadSecretKeys(dir: string, kind: string): { kid: string; key: Buffer }[] {
  const pattern = new RegExp(`^${kind}\\.([\\w-]+)(\\.next)?\\.key$`);
  const found = readdirSync(dir).sort().flatMap((name) => {
    const [, kid, next] = pattern.exec(name) ?? [];
    if (kid === undefined) return [];
    const key = Buffer.from(readFileSync(join(dir, name), 'utf8').trim(), 'base64');
    if (key.length !== 32) throw new Error(`${name} does not hold 32 bytes in base64.`);
    return [{ kid, key, isNext: next !== undefined }];
  });
  if (found.length > 0 && found.every(({ isNext }) => isNext)) throw new Error(`There is only a next ${kind} key in ${dir}, and none to use now.`);
  return [...found.filter(({ isNext }) => isNext), ...found.filter(({ isNext }) => !isNext)].map(({ kid, key }) => ({ kid, key }));
}
