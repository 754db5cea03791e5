import { hkdfSync } from 'node:crypto';
import { InMemoryKeys, type KeyMaterial, type KeyProvider } from '@writ/token';
import { loadSecretKeys } from '@writ/service';

/** Injects the key provider: `@Inject(KEYS) keys: KeyProvider`. */
export const KEYS = Symbol('keys');

/**
 * Reads peppers and MAC keys from files. The MAC keys of rows, the state log and memos are derived from one file per
 * kid (HKDF, RFC 5869), each under a label of its own, so that none serves twice.
 */
export function loadKeys(dir: string): KeyProvider {
  const macs = loadSecretKeys(dir, 'mac');
  const derived = (label: string) => ring(dir, 'mac', macs.map(({ kid, key }) => ({ kid, key: new Uint8Array(hkdfSync('sha256', key, '', `writ/${label}/v1`, 32)) })));
  return new InMemoryKeys({
    pepper: ring(dir, 'pepper', loadSecretKeys(dir, 'pepper')), row: derived('row'), state: derived('state'), memo: derived('memo'),
  });
}

function ring(dir: string, kind: string, oldestFirst: { kid: string; key: Uint8Array }[]): KeyMaterial {
  const [current, ...retired] = [...oldestFirst].reverse();
  if (!current) throw new Error(`There is no ${kind}.<kid>.key in ${dir}.`);
  return { current, retired };
}
