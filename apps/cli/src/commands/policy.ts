import type { Command } from 'commander';
import type { ActivePolicySet, PolicySetAnswer, ReplayAnswer } from '@writ/contracts';
import type { CaseResult, CheckResult, PolicySet } from '@writ/policy';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { firstOf, painted, relative } from '../output.js';
import { readPolicyFolder } from '../policy-folder.js';
import { addPolicyExplain } from './policy-explain.js';
import { activate, simulate } from './policy-service.js';

/** `writ policy validate|test|explain` on a folder, without a platform; `simulate|activate|replay|list|active` with one. */
export function addPolicyCommands(program: Command, context: () => Context): void {
  const policy = program.command('policy').description('Check, try out and activate policy sets');
  policy.command('validate <folder>')
    .description('Check a set: form, rules, golden cases, proven assertions; offline')
    .option('--against <folder>', 'also say whether it lets anything through that this other set does not')
    .action((folder: string, options: { against?: string }) => validate(folder, options, context()));
  policy.command('test <folder>')
    .description('Run a set’s golden cases; offline')
    .action((folder: string) => test(folder, context()));
  addPolicyExplain(policy, context);
  policy.command('simulate <folder|digest>')
    .description('Say what a set would have done with the requests of the past')
    .option('--days <n>', 'how far back', '30')
    .option('--timeout <seconds>', 'how long to wait', '600')
    .action((what: string, options: { days: string; timeout: string }) => simulate(what, options, context()));
  policy.command('activate <folder|digest>')
    .description('Make a set decide; where it loosens anything, a second person must say so too')
    .action((what: string) => activate(what, context()));
  policy.command('replay <requestId>')
    .description('Decide a past request again from its record, and compare')
    .action((requestId: string) => replay(requestId, context()));
  policy.command('list').description('Show the sets that are kept').option('--limit <n>', 'at the most', '50').action((options: { limit: string }) => list(Number(options.limit), context()));
  policy.command('active').description('Show the set that decides now').action(() => active(context()));
}

async function validate(folder: string, { against }: { against?: string }, { output }: Context): Promise<void> {
  const { checkPolicySet, loosening, renderProblem } = await import('@writ/policy');
  const files = readPolicyFolder(folder);
  const check = checkPolicySet(files);
  const compared = against !== undefined && check.set ? loosening(await loaded(against), check.set) : undefined;
  const { digest, valid, problems, cases, analysis } = check;
  const shortCases = cases.map(({ name, passed, differences }) => ({ name, passed, differences }));
  output.answer({ valid, digest, problems, cases: shortCases, analysis: analysis && { ...analysis, problems: undefined, boundaries: undefined }, loosening: compared }, () => [
    ...problems.map((problem) => `${renderProblem(problem, files)}\n`),
    output.facts({
      verdict: valid ? painted('good', 'valid') : painted('bad', `not valid: ${counted(problems.length, 'problem')}`),
      set: digest,
      cases: cases.length > 0 ? `${cases.filter(({ passed }) => passed).length} of ${cases.length} hold` : undefined,
      proven: analysis && `${analysis.assertions.filter(({ holds }) => holds).length} of ${counted(analysis.assertions.length, 'assertion')}. ${analysis.statement}`,
      against: compared && (compared.loosened ? painted('mild', `looser: ${compared.statement}`) : compared.statement),
    }),
  ].join('\n'));
  mustBeValid(check);
}

async function test(folder: string, { output }: Context): Promise<void> {
  const { loadPolicySet, renderProblem, runCases } = await import('@writ/policy');
  const files = readPolicyFolder(folder);
  const { set, problems } = loadPolicySet(files);
  if (!set) {
    for (const problem of problems) output.print(output.json ? JSON.stringify(problem) : `${renderProblem(problem, files)}\n`);
    throw new Ended(exitCodes.denied, `The set cannot be read: ${counted(problems.length, 'problem')}.`, 'Correct what is shown above.');
  }
  const cases = runCases(set);
  output.rows(cases.map(({ name, passed, differences, decision: { outcome, because } }) => ({ name, passed, outcome, because: because.map(({ id }) => id), differences })), {
    '': ({ passed }) => (passed ? painted('good', 'ok') : painted('bad', 'FAILS')),
    outcome: ({ outcome }) => outcome,
    case: ({ name }) => name,
    'decided by': ({ because }) => because.join(', '),
  }, 'The set has no cases.');
  const failed = cases.filter(({ passed }) => !passed);
  if (failed.length === 0) return output.say(`\n${counted(cases.length, 'case')}, all hold.`);
  for (const { name, differences } of failed) output.say(`\n${name}\n${differences.map((line) => `  ${line}`).join('\n')}`);
  throw new Ended(exitCodes.denied, `${failed.length} of ${counted(cases.length, 'case')} ${failed.length === 1 ? 'does' : 'do'} not hold.`, 'Correct the rules, or the cases if it is they that are wrong.');
}

/** The set of a folder, which must at least be readable. */
export async function loaded(folder: string): Promise<PolicySet> {
  const { loadPolicySet, renderProblem } = await import('@writ/policy');
  const files = readPolicyFolder(folder);
  const { set, problems } = loadPolicySet(files);
  if (set) return set;
  throw new Ended(exitCodes.denied, `The set in ${folder} cannot be read: ${renderProblem(problems[0]!, {})}`, 'writ policy validate shows every problem with its place.');
}

function mustBeValid({ valid, cases }: { valid: CheckResult['valid']; cases: readonly Pick<CaseResult, 'passed'>[] }): void {
  if (valid) return;
  const remedy = cases.some(({ passed }) => !passed) ? 'writ policy test shows the cases, writ policy explain --case <name> why each is decided so.' : 'Correct what is shown above.';
  throw new Ended(exitCodes.denied, 'The set is not valid, so it cannot be activated.', remedy);
}

async function replay(requestId: string, { session, output }: Context): Promise<void> {
  const answer = await session.writ('reviewer').policy.get<ReplayAnswer>(`/v1/decisions/${requestId}/replay`);
  output.answer(answer, () => output.facts({
    request: requestId,
    replay: answer.same ? painted('good', 'the same decision, byte for byte') : painted('bad', 'ANOTHER DECISION'),
    ...Object.fromEntries(answer.differences.map((line, i) => [`difference ${i + 1}`, line])),
  }));
  if (!answer.same) throw new Ended(exitCodes.failed, 'The record does not lead to the decision that was made.', 'Tell security: either the record or the engine changed.');
}

async function list(limit: number, { session, output }: Context): Promise<void> {
  const rows = await firstOf(session.writ('admin').policy.pages<PolicySetAnswer>('/v1/policy-sets'), limit);
  output.rows(rows, {
    '': (row) => (row.active ? painted('good', 'active') : ''), by: (row) => row.createdBy.sub, kept: (row) => relative(row.createdAt), set: (row) => row.digest,
  }, 'No set is kept yet.');
}

async function active({ session, output }: Context): Promise<void> {
  const answer = await session.writ('requester').policy.get<ActivePolicySet>('/v1/policy-sets/active');
  output.answer(answer, () => output.facts({
    set: answer.digest,
    activation: `number ${answer.activation}, ${relative(answer.activatedAt)}, by ${answer.activatedBy.sub}${answer.proposedBy ? `, proposed by ${answer.proposedBy.sub}` : ''}`,
    loosened: answer.loosened ? 'yes, compared with the one before' : undefined,
    before: answer.previousDigest ?? undefined,
  }));
}

export function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
