import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSecretKeys } from './keys.js';

let dir: string;
beforeEach(() => { dir = mkdtempSync(join(tmpdir(), 'writ-keys-')); });
afterEach(() => rmSync(dir, { recursive: true }));

const write = (...names: string[]) => { for (const name of names) writeFileSync(join(dir, name), randomBytes(32).toString('base64')); };
const kids = (kind: string) => loadSecretKeys(dir, kind).map(({ kid }) => kid);

describe('secret keys in a folder', () => {
  it('come oldest first, and a next one is known before all that are in use', () => {
    write('pepper.2026.key', 'pepper.2025.key', 'pepper.2027.next.key', 'mac.2028.key');
    expect(kids('pepper')).toEqual(['2027', '2025', '2026']);
  });

  it('are none where there are none, and an error where there is only a next one', () => {
    expect(kids('pepper')).toEqual([]);
    write('pepper.2027.next.key');
    expect(() => kids('pepper')).toThrow('only a next pepper key');
  });

  it('of another length are refused by name', () => {
    writeFileSync(join(dir, 'pepper.1.key'), 'short');
    expect(() => kids('pepper')).toThrow('pepper.1.key');
  });
});
