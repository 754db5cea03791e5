import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, type JWK } from 'jose';

export interface Keys {
  signing: JWK & { kid: string };
  cookies: string;
}

/** Reads the provider's keys, or makes them on the first start: tokens given out before a restart stay valid after it. */
export async function loadKeys(dir: string): Promise<Keys> {
  const file = join(dir, 'identity.keys.json');
  const found = readIfThere(file);
  if (found !== undefined) return JSON.parse(found) as Keys;
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const kid = `identity-${randomBytes(4).toString('hex')}`;
  const keys: Keys = { signing: { ...await exportJWK(privateKey), kid, alg: 'ES256', use: 'sig' }, cookies: randomBytes(32).toString('base64url') };
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writePrivately(file, JSON.stringify(keys));
  return keys;
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Replaces a file in one step, readable by its owner only. */
export function writePrivately(file: string, text: string): void {
  const next = `${file}.${process.pid}`;
  writeFileSync(next, text, { mode: 0o600 });
  chmodSync(next, 0o600);
  renameSync(next, file);
}
