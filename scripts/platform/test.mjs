import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { build, compiler } from './build.mjs';
import { root } from './installation.mjs';
import { createReporter, createTerminal, errorText } from './terminal.mjs';

const jest = ['--experimental-vm-modules', '--no-warnings', join(root, 'node_modules/jest/bin/jest.js')];
const results = join(root, '.writ/results');

/** Each suite is a phase: {passed, failed} are its tests, or the one check that it is. */
const phases = {
  types: () => check([compiler, '-p', 'tsconfig.test.json']),
  unit: (tools) => suite('unit', tools, ['--maxWorkers=2']),
  lint: ({ lint: begun }) => begun,
  integration: (tools) => suite('integration', tools, ['--maxWorkers=5']),
  'end to end': async (tools) => sumOf(await Promise.all(['e2e', 'apart'].map((project) => suite(project, tools, ['--runInBand'])))),
};
const checks = ['lint', 'types'];
/** Runs of some suites in another environment. */
const special = {
  /** The tests that repeat a crash or a guess until luck has no part in it; hours, so not for every change. */
  soak: {
    suites: ['e2e/crash', 'e2e/rotation', 'e2e/skew', 'apps/signer', 'apps/audit/test/kills', 'libs/policy', 'libs/gateway', 'apps/issuer/test/race'],
    env: { WRIT_SOAK: '1', WRIT_SOAK_ROUNDS: '50', WRIT_SOAK_KILLS: '1000', WRIT_ROTATION_MINUTES: '10' },
  },
  /** Every end-to-end test on a platform that speaks TLS alone. */
  'test-tls': { suites: ['e2e/', 'apps/issuer/test/race'], env: { WRIT_PLATFORM_TLS: '1' } },
};

/**
 * `test` runs everything, `check` what needs no servers. Arguments go to the test runner and leave the checks out.
 * The last line of the output is the true sum, alone: `N passed, N failed`.
 */
export async function run({ name, args: given }) {
  for (const [variable, value] of Object.entries(special[name]?.env ?? {})) process.env[variable] ??= value;
  const args = given.length > 0 ? given : special[name]?.suites ?? [];
  const terminal = createTerminal();
  const reporter = createReporter(terminal.show);
  const names = Object.keys(phases).filter((phase) => name !== 'check' || [...checks, 'unit'].includes(phase)).filter((phase) => args.length === 0 || !checks.includes(phase));
  mkdirSync(results, { recursive: true });
  const sums = [];
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => { interrupted = true; });
  const built = await phase('build', reporter, async () => { await build(); return { passed: 0, failed: 0 }; });
  if (built.failed > 0) sums.push(built);
  else {
    // One core lints while the others test; it is told when its turn comes.
    const begun = names.includes('lint') ? lint().catch((error) => ({ passed: 0, failed: 1, output: errorText(error) })) : undefined;
    for (const each of names) if (!interrupted) sums.push(await phase(each, reporter, (tools) => phases[each]({ ...tools, args, lint: begun })));
  }
  if (interrupted) return 130;
  const sum = sumOf(sums);
  if (sum.passed + sum.failed === 0) reporter.line(`\n  No test fits: ${args.join(' ')}`);
  process.stdout.write(`\n${sum.passed} passed, ${sum.failed} failed\n`);
  return exitCodeOf(sum);
}

/** A run in which nothing was tested is no success: most likely a path is misspelt. */
export const exitCodeOf = ({ passed, failed }) => (failed === 0 && passed > 0 ? 0 : 1);

const sumOf = (results) => ({
  passed: results.reduce((sum, { passed }) => sum + passed, 0),
  failed: results.reduce((sum, { failed }) => sum + failed, 0),
  output: results.filter(({ failed }) => failed > 0).map(({ output }) => output).join('\n'),
});

class Failed extends Error {}

/** Shows a phase and what it complained of; a phase that breaks counts as one failure. */
async function phase(name, reporter, work) {
  let result;
  try {
    await reporter.step(name, async (tools) => {
      result = await work(tools);
      if (result.failed > 0) throw new Failed();
      if (name === 'build') return 'up to date';
      return checks.includes(name) ? 'no problems' : `${result.passed} passed`;
    });
  } catch (error) {
    if (!(error instanceof Failed)) result = { passed: 0, failed: 1, output: errorText(error) };
    reporter.line(`\n${result.output.trim()}\n`);
  }
  return result;
}

async function check(args) {
  const { code, output } = await runProgram(args);
  return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, output };
}

/** The boundary rule reads Nx's cached graph of projects and passes everything where there is none, so it is made first. */
async function lint() {
  const graph = await runProgram([join(root, 'node_modules/nx/dist/bin/nx.js'), 'show', 'projects'], undefined, { NX_DAEMON: 'false' });
  if (graph.code !== 0) return { passed: 0, failed: 1, output: graph.output };
  const result = await check([join(root, 'node_modules/eslint/bin/eslint.js'), '.']);
  return result.output.includes('No cached ProjectGraph') ? { ...result, passed: 0, failed: 1 } : result;
}

async function suite(project, { note, args }, flags) {
  const file = join(results, `${project}.json`);
  rmSync(file, { force: true });
  const { code, output } = await runProgram([...jest, '--selectProjects', project, '--json', `--outputFile=${file}`, ...flags, ...(args.length > 0 ? ['--passWithNoTests', ...args] : [])], (line) => {
    if (/^(PASS|FAIL|soak:) /.test(line)) note(line);
  });
  const sums = readSums(file);
  // A run that failed without a failing test (a crash, a set-up that broke) is a failure all the same.
  return { passed: sums.passed, failed: Math.max(sums.failed, code === 0 ? 0 : 1), output };
}

function readSums(file) {
  try {
    const { numPassedTests, numFailedTests, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(file, 'utf8'));
    return { passed: numPassedTests, failed: numFailedTests + numRuntimeErrorTestSuites };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

function runProgram(args, onLine = () => {}, more = {}) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...more, ...(process.stdout.isTTY && !process.env.NO_COLOR ? { FORCE_COLOR: '1' } : {}) };
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const stop = (signal) => child.kill(signal);
    process.once('SIGINT', stop).once('SIGTERM', stop);
    const lines = [];
    for (const input of [child.stdout, child.stderr]) createInterface({ input }).on('line', (line) => { lines.push(line); onLine(line.replaceAll(/\u001b\[\d+m/g, '').trim()); });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.removeListener('SIGINT', stop).removeListener('SIGTERM', stop);
      if (signal === null) resolve({ code, output: lines.join('\n') });
      else reject(new Error(`ended by ${signal}`));
    });
  });
}
