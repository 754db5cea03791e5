import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until, untilStatus } from './platform.js';

/** What a newcomer types is run as it is printed, in one shell after the other; only the ids are this platform's. */
const root = join(import.meta.dirname, '..');
const main = join(root, 'apps/cli/dist/main.js');
let folder: string;
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'writ-readme-')); });
afterAll(() => { rmSync(folder, { recursive: true }); });

interface Ran { code: number; output: string }

function shell(command: string): Promise<Ran> {
  const script = `writ() { "${process.execPath}" "${main}" "$@"; }\n${command}`;
  const variables = Object.entries(process.env).filter(([name]) => name.startsWith('WRIT_') || name === 'NODE_EXTRA_CA_CERTS');
  const env = { PATH: process.env.PATH, HOME: folder, ...Object.fromEntries(variables) };
  return new Promise((resolve) => {
    execFile('sh', ['-c', script], { cwd: folder, env, timeout: 30_000 }, (error, stdout, stderr) => resolve({ code: typeof error?.code === 'number' ? error.code : error ? 1 : 0, output: `${stdout}${stderr}`.trim() }));
  });
}

/** The commands of a section with what is printed below each. */
function walkOf(section: string): { command: string; printed: string[] }[] {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...(text.split(`\n## ${section}\n`)[1] ?? '').split('\n## ')[0]!.matchAll(/```console\n([^]*?)```/g)].map(([, block]) => block!);
  const walk: { command: string; printed: string[] }[] = [];
  for (const line of blocks.join('').split('\n').filter((each) => each !== '')) {
    if (line.startsWith('$ ')) walk.push({ command: line.slice(2), printed: [] });
    else walk.at(-1)!.printed.push(line);
  }
  return walk;
}

const id = /\b(?:req|tok)_[0-9a-z]{26}\b/g;
/** A line without what differs from run to run. */
const shape = (line: string) => line
  .replaceAll(id, 'ID').replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').replaceAll(/(?<![\w+/])[\w+/]{43}=/g, 'HASH').replaceAll(/localhost\/\w+/g, 'LOG').replaceAll(/\d[\d,]*(\.\d+)?/g, 'N').replace(/recorded .* at/, 'recorded at').replaceAll(/ +/g, ' ').trim();
/** Lines whose words depend on who runs: replicas, other tests' gateways. */
const ofThisPlatform = /^(verifiers|because|as of|entry)\b|^ /;

it('the five minutes of the README go as they are printed', async () => {
  const known = new Map<string, string>();
  const walk = walkOf('Five minutes').filter(({ command }) => !/^(npm|alias) /.test(command));
  expect(walk.length).toBeGreaterThan(8);
  for (const { command, printed } of walk) {
    const typed = command.replaceAll(id, (each) => known.get(each) ?? each);
    // A held request is held a moment after it was accepted; a person takes longer to type than that.
    const asked = /^writ requests (req_\w+)$/.exec(typed)?.[1];
    if (asked) await untilStatus(asked, 'held');
    const { code, output } = await shell(typed);
    expect({ typed, code, output }).toEqual({ typed, code: 0, output: expect.any(String) });
    const lines = output.split('\n');
    const [wanted, found] = [printed, lines].map((each) => each.filter((line) => line !== '' && !ofThisPlatform.test(line)).map(shape));
    if (printed.length > 0) expect({ typed, lines: found }).toEqual({ typed, lines: wanted });
    const ids = [printed, lines].map((each) => each.join('\n').match(id) ?? []);
    ids[0]!.forEach((each, i) => known.set(each, ids[1]![i]!));
  }
}, 120_000);

it('a command says by its exit code how it went', async () => {
  const codeOf = async (command: string) => (await shell(command)).code;
  const { output } = await shell('writ --json request --resource orders --scope orders:read --env dev --ttl P1D --reason "exit codes" --wait');
  const { tokenId } = JSON.parse(output) as { tokenId: string };
  expect(await codeOf('writ request --resource orders')).toBe(2);
  expect(await codeOf('echo junk | writ verify')).toBe(3);
  expect(await codeOf('WRIT_REQUESTER_TOKEN=junk writ requests')).toBe(4);
  expect(await codeOf('writ claim tok_00000000000000000000000000')).toBe(5);
  expect(await codeOf(`writ claim ${tokenId} && writ claim ${tokenId}`)).toBe(6);
  await until('the second claim to have ended the token', async () => (await codeOf(`writ rotate ${tokenId} --reason late`)) === 6);
  expect(await codeOf('WRIT_ISSUER_URL=http://127.0.0.1:1 writ claim tok_00000000000000000000000000')).toBe(8);
}, 120_000);
