import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');
const read = (name: string) => readFileSync(join(root, 'docs', name), 'utf8');

/**
 * How many requirements of levels 1 and 2 each section of ASVS 5.0.0 has; within a section they are numbered from 1 and
 * those of level 3 come last (github.com/OWASP/ASVS, 5.0/docs_en, the CSV of 5.0.0).
 */
const sections: Record<string, number[]> = {
  1: [2, 9, 11, 3, 2], 2: [3, 3, 4, 1], 3: [0, 2, 4, 6, 5, 0, 2], 4: [3, 1, 2, 4], 5: [1, 3, 2, 3], 6: [3, 12, 4, 4, 5, 3, 0, 4], 7: [3, 4, 2, 5, 2, 2], 8: [2, 3, 1, 1],
  9: [3, 4], 10: [2, 2, 4, 11, 5, 2, 3], 11: [2, 3, 3, 4, 1, 1], 12: [3, 2, 4], 13: [1, 5, 2, 5], 14: [2, 4, 3], 15: [3, 3, 7], 16: [1, 5, 4, 3, 3], 17: [1, 4, 2],
};
const required = Object.entries(sections).flatMap(([chapter, counts]) => counts.flatMap((count, section) => Array.from({ length: count }, (_, i) => `${chapter}.${section + 1}.${i + 1}`)));

/** What the table says wrongly about the standard, or names and is not there. */
function problemsOf(text: string): string[] {
  const rows = [...text.matchAll(/^\| ([\d., ]+) \| [^|]+ \| ([^|]+) \|$/gm)].map(([, ids, state]) => ({ ids: ids!.split(', '), state: state! }));
  const listed = rows.flatMap(({ ids }) => ids);
  return [
    ...required.filter((id) => !listed.includes(id)).map((id) => `${id} is missing`),
    ...listed.filter((id, i) => listed.indexOf(id) !== i).map((id) => `${id} stands there twice`),
    ...listed.filter((id) => !required.includes(id)).map((id) => `${id} is no requirement of level 2`),
    ...rows.filter(({ state }) => !/^(met|design|operator|n\/a|no)\b/.test(state)).map(({ ids }) => `${ids[0]} has no state`),
    ...rows.filter(({ state }) => state.startsWith('met') && !state.includes('`') && !/no service/.test(state)).map(({ ids }) => `${ids[0]} is met by nothing named`),
    ...rows.filter(({ state }) => state.startsWith('met') && /`[^`›]*\.[\w-]*spec\.ts`/.test(state)).map(({ ids }) => `${ids[0]} names a file of tests and no test of it`),
    ...filesIn(text).filter((file) => !existsSync(join(root, file))).map((file) => `${file} is not there`),
    ...testsIn(text).filter(({ file, title }) => existsSync(join(root, file)) && !hasTest(file, title)).map(({ file, title }) => `${file} has no test "${title}"`),
  ];
}

const testsIn = (text: string) => [...text.matchAll(/`([\w./-]+spec\.ts) › ([^`]+)`/g)].map(([, file, title]) => ({ file: file!, title: title! }));
/** By its title as the source has it, so that one test of a table is named by the table's title. */
const hasTest = (file: string, title: string) => ['\'', '`'].some((quote) => readFileSync(join(root, file), 'utf8').includes(`(${quote}${title}${quote}, `));

const filesIn = (text: string) => [...new Set([...text.matchAll(/`((?:apps|libs|e2e|scripts|docs)\/[\w./-]+|[A-Z]+\.md|package\.json|eslint\.config\.mjs|\.dockerignore)(?: ›[^`]*)?`/g)].map(([, file]) => file!))];

describe('docs/asvs.md', () => {
  it('has every requirement of levels 1 and 2 once, with its state, and names files that are there', () => {
    expect(required).toHaveLength(253);
    expect(problemsOf(read('asvs.md'))).toEqual([]);
  });

  it.each([
    ['6.8.4 is missing', (text: string) => text.replace('| 6.8.4 |', '| 6.8.5 |')],
    ['12.1.1 stands there twice', (text: string) => text.replace('| 12.1.2 |', '| 12.1.1 |')],
    ['1.2.10 is no requirement of level 2', (text: string) => text.replace('| 1.2.9 |', '| 1.2.9, 1.2.10 |')],
    ['e2e/gone.e2e-spec.ts is not there', (text: string) => text.replace('e2e/tls.e2e-spec.ts', 'e2e/gone.e2e-spec.ts')],
    ['e2e/tls.e2e-spec.ts has no test "says nothing"', (text: string) => text.replace('› says nothing in plain text at any door', '› says nothing')],
    ['1.2.4 names a file of tests and no test of it', (text: string) => text.replace(/(\| 1\.2\.4 \|.*spec\.ts) › [^`]*/, '$1')],
  ])('is caught when wrong: %s', (problem, breakIt) => {
    expect(problemsOf(breakIt(read('asvs.md')))).toContain(problem);
  });
});

describe('docs/security.md', () => {
  const text = read('security.md');

  it('names files that are there', () => {
    const named = [...filesIn(text), ...[...text.matchAll(/`(matrix|people|http|broker|databases|messages|replay|canary|timing)`/g)].map(([, name]) => `e2e/security/${name}.e2e-spec.ts`)];
    expect(named.filter((file) => ![file, `${file}.e2e-spec.ts`].some((each) => existsSync(join(root, each))))).toEqual([]);
  });

  /** Texts in quotes after a file are titles, or their beginning; one of a test may stand behind that of its group. */
  const unknownTitles = (page: string) => [...page.matchAll(/`([a-z0-9/-]+)`:? "([^"]+)"/g)].filter(([, file, title]) => {
    const path = [`e2e/security/${file}.e2e-spec.ts`, `${file}.e2e-spec.ts`].find((each) => existsSync(join(root, each)));
    const titles = path === undefined ? [] : [...readFileSync(join(root, path), 'utf8').matchAll(/\b(?:it|describe)(?:\.each\([^)]*\))?\('([^']+)'/g)].map(([, each]) => each!);
    return !titles.some((each) => each.startsWith(title!) || titles.some((inner) => `${each} ${inner}`.startsWith(title!)));
  }).map(([, , title]) => title);

  it('quotes titles that are there', () => {
    expect(unknownTitles(text)).toEqual([]);
    expect(unknownTitles('`matrix` "lists", `matrix` "a foreign object and one that does not exist are answered alike", `http` "is not there"')).toEqual(['is not there']);
  });

  it('has each risk of the API top ten', () => {
    expect([...text.matchAll(/^\| API(\d+) /gm)].map(([, number]) => Number(number))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
