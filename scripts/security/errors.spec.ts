import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { verificationCodes } from '@writ/contracts';
import { decisionCodes } from '@writ/policy';

const root = join(import.meta.dirname, '../..');
const sources = ['request', 'policy', 'issuer', 'rotation', 'monitor', 'signer', 'console'].map((name) => `apps/${name}/src`).concat('libs/service/src');

function textsOf(place: string): string[] {
  const files = readdirSync(join(root, place), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts'));
  return files.map((name) => readFileSync(join(root, place, name), 'utf8'));
}

/** The ways in which the sources give a code to a caller's mistake, a refusal or a decision. */
const patterns = [
  /\bconflict\('([a-z-]+)'/g, /\brefuse\('([a-z-]+)'/g, /\bproblem\(\d+, '([a-z-]+)'/g, /\bcode: '([a-z-]+)', (?:status|detail)\b/g, /\bnew Problem\(\{[^}]*\bcode: '([a-z-]+)'/g, /^ {2}\d{3}: '([a-z-]+)'|(?<=, )\d{3}: '([a-z-]+)'/gm,
  /\bstate: 'denied', code: '([a-z-]+)'/g, /'(approved-by-[a-z-]+)'/g, /\bEmptyGrant = '([a-z-]+)'/g, /\bEmptyGrant = '[a-z-]+' \| '([a-z-]+)'/g,
];
const given = (text: string) => patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, first, second]) => first ?? second!));
const codes = [...new Set([...sources.flatMap(textsOf).flatMap(given), ...verificationCodes, ...decisionCodes])].sort();
const entries = (text: string) => [...text.matchAll(/^### (\S+)\n\n(\S.+)/gm)].map(([, code]) => code!);

describe('docs/errors.md', () => {
  const text = readFileSync(join(root, 'docs/errors.md'), 'utf8');

  it('has one entry for each code that callers are told', () => {
    expect(codes.length).toBeGreaterThan(90);
    expect(codes.filter((code) => !entries(text).includes(code))).toEqual([]);
    expect(entries(text).filter((code, i, all) => all.indexOf(code) !== i)).toEqual([]);
  });

  it('has no entry for a code that nobody is told', () => {
    expect(entries(text).filter((code) => !codes.includes(code))).toEqual([]);
  });

  it('would miss a new one', () => {
    expect(given(`throw conflict('brand-new', 'This is new.');`).filter((code) => !entries(text).includes(code))).toEqual(['brand-new']);
  });
});
