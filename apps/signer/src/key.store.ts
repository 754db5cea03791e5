import { closeSync, existsSync, fsyncSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { keyTypes, SignerKey } from '@writ/tlog';
import { HeadStore, syncFolder } from './head.store.js';

/**
 * Reads the log's key. Throws with a message for the operator, never with the key in it. Others than the owner may not
 * read the file; its group may, because some platforms hand secrets over that way.
 */
export function readKey(file: string, origin: string): SignerKey {
  if ((statSync(file).mode & 0o037) !== 0) throw new Error('the key file must be private: chmod 600');
  const key = SignerKey.parse(readFileSync(file, 'utf8').trim());
  if (key.verifier.type !== keyTypes.ed25519) throw new Error('the key is not of type 0x01, which logs sign with');
  if (key.verifier.name !== origin) throw new Error(`the key is named ${key.verifier.name}, not like the log's origin`);
  return key;
}

/**
 * Makes a key with an empty state, or leaves an existing one alone. The state comes first: without its key file it
 * cannot have signed anything, so a crash between the two is repaired by another call.
 */
export function initialise(keyFile: string, stateDir: string, origin: string, now: Date): SignerKey {
  if (existsSync(keyFile)) {
    const key = readKey(keyFile, origin);
    HeadStore.open(stateDir, key.toString()).close();
    return key;
  }
  const key = SignerKey.generate(origin, keyTypes.ed25519);
  HeadStore.create(stateDir, key.toString(), now);
  const file = openSync(keyFile, 'wx', 0o600);
  try {
    writeSync(file, `${key.exportSecret()}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(dirname(keyFile));
  return key;
}
