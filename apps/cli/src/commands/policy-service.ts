import type { ActivationAnswer, PolicyCheck, SimulationAnswer } from '@writ/contracts';
import type { SimulationReport } from '@writ/policy';
import type { Http } from '@writ/client';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { painted } from '../output.js';
import { readPolicyFolder } from '../policy-folder.js';
import { seconds, waitFor, wholeNumber } from '../wait.js';

/** A check runs every case and the whole analysis before it answers. */
const checkTimeoutMs = 120_000;
const mostFlipsShown = 20;

export async function simulate(what: string, { days, timeout }: { days: string; timeout: string }, { session, output }: Context): Promise<void> {
  const { policy } = session.writ('admin');
  const digest = await kept(policy, what, output);
  const { simulationId } = await policy.post<SimulationAnswer>(`/v1/policy-sets/${digest}/simulate`, { body: { days: wholeNumber(days) } });
  const answer = await waitFor(output, () => policy.get<SimulationAnswer>(`/v1/simulations/${simulationId}`), ({ state }) => state !== 'running', {
    timeoutSeconds: seconds(timeout),
    words: ({ done, total }) => `the simulation decided ${done} of ${total} requests`,
    show: ({ done, total }) => output.share(done, total, 'requests'),
  });
  if (answer.state === 'failed') throw new Ended(exitCodes.failed, `The simulation failed: ${answer.error ?? 'no reason was given'}.`);
  const report = answer.report as unknown as SimulationReport;
  output.answer(answer, () => output.facts({
    set: answer.draftDigest,
    'compared with': answer.activeDigest,
    requests: `${report.requests.toLocaleString('en')} of the last ${answer.days} days`,
    flips: report.flipped === 0 ? 'none' : String(report.flipped),
    ...Object.fromEntries(Object.entries(report.matrix).filter(([change, count]) => count > 0 && !isSame(change)).map(([change, count]) => [`  ${change}`, String(count)])),
    sensitive: report.newlyAutomaticSensitive > 0 ? painted('bad', `${report.newlyAutomaticSensitive} would newly be automatic`) : 'none would newly be automatic',
    reviews: `${report.votesSaved} votes less, ${report.reviewHoursSaved.toFixed(1)} hours at ${report.minutesPerVote} minutes a vote`,
    'living tokens': `${report.tokens.checked} looked at; ${report.tokens.deniedCount} would be denied now, ${report.tokens.heldCount} held`,
    verdict: report.loosened ? painted('mild', 'looser than the active set') : painted('good', 'not looser than the active set'),
  }));
  if (output.json || report.flips.length === 0) return;
  output.print('');
  output.rows(report.flips.slice(0, mostFlipsShown), {
    request: ({ requestId }) => requestId, was: ({ before }) => before, becomes: ({ after }) => after, rules: ({ rules }) => rules.join(', '),
  }, '');
  if (report.flipped > mostFlipsShown) output.say(`${report.flipped - mostFlipsShown} more; --json lists the first thousand.`);
}

const isSame = (change: string) => new Set(change.split('→')).size === 1;

export async function activate(what: string, { session, output }: Context): Promise<void> {
  const { policy } = session.writ('admin');
  const digest = await kept(policy, what, output);
  const answer = await policy.post<ActivationAnswer>(`/v1/policy-sets/${digest}/activate`, { timeoutMs: checkTimeoutMs });
  const isActive = answer.state === 'active';
  output.answer(answer, () => output.facts({
    set: answer.digest,
    state: isActive ? painted('good', `active, activation ${answer.activation}`) : painted('mild', 'not active yet: a second person must say so too'),
    compared: answer.loosening?.statement,
    'proposed by': answer.proposedBy?.sub,
    next: isActive ? undefined : `somebody else runs: writ policy activate ${answer.digest}`,
  }));
  if (!isActive) throw new Ended(exitCodes.tryAgain, 'The set loosens what is active, so it waits for a second policy administrator.');
}

/** The digest of a set that the service keeps: given, or of a folder that is sent now. */
async function kept(policy: Http, what: string, output: Context['output']): Promise<string> {
  if (what.startsWith('sha256:')) return what;
  const { renderProblem } = await import('@writ/policy');
  const files = readPolicyFolder(what);
  output.progress('the policy service checks the set');
  const check = await policy.post<PolicyCheck>('/v1/policy-sets', { body: { files }, timeoutMs: checkTimeoutMs });
  output.progressDone();
  if (check.valid) return check.digest;
  for (const problem of check.problems) output.say(`${renderProblem(problem as Parameters<typeof renderProblem>[0], files)}\n`);
  throw new Ended(exitCodes.denied, 'The set is not valid, so it is not kept.', 'Correct what is shown above; writ policy validate checks it here.');
}
