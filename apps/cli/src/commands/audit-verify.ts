import { checkLog, staleness, type LogReport } from '@writ/site';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { isAddress, lastSeen, sourceAt, trustOf, type TrustOptions } from '../log-policy.js';
import { checkOpenings } from '../openings.js';
import { painted, relative, type Painted } from '../output.js';

const noWitness = 'none: not protected against others being shown another log';

/** Recomputes a whole log, judges what its entries say together, and compares it with what was seen the last time. */
export async function verify(given: string | undefined, options: TrustOptions, { session, output }: Context): Promise<void> {
  const where = given ?? session.address('WRIT_AUDIT_URL');
  const trust = trustOf(options, session);
  const startedMs = Date.now();
  const report = await checkLog(sourceAt(where), {
    policy: trust.policy, remembered: trust.remembered, onProgress: (checked, total) => output.share(checked, total, 'entries'),
  });
  output.progressDone();
  const seconds = (Date.now() - startedMs) / 1000;
  const checkpoint = report.verdict?.checkpoint;
  const cosigned = report.verdict?.cosigned ?? [];
  // A copy in a folder is of its day; only the log itself has to be of today.
  const old = isAddress(where) ? staleness({ ...report, cosignedMs: cosigned.map(({ timeSeconds }) => timeSeconds * 1_000) }, startedMs) : undefined;
  const facts = checkpoint && { origin: checkpoint.origin, size: checkpoint.size, root: Buffer.from(checkpoint.root).toString('base64') };
  const openings = isAddress(where) || !checkpoint ? undefined : await checkOpenings(where, checkpoint.size);
  const wrong = [...report.findings, ...(openings?.findings ?? [])];
  const findings = [...wrong, ...report.omissions];
  const witnesses = cosigned.map(({ name }) => name);
  const recorded = report.recordedMs === undefined ? undefined : new Date(report.recordedMs).toISOString();
  output.answer({ intact: findings.length === 0, ...facts, checked: report.checked, recordedAt: recorded, old, witnesses, findings, seconds }, () => output.facts({
    verdict: verdictOf(wrong, report.omissions, old),
    log: facts?.origin,
    entries: facts && `${report.checked.toLocaleString('en')} of ${facts.size.toLocaleString('en')}, in ${seconds.toFixed(1)} s`,
    newest: recorded && `recorded ${relative(recorded, startedMs)}, at ${recorded}`,
    root: facts?.root,
    'last time': options.forget ? 'not compared, as you asked' : facts && memoryOf(report, lastSeen(trust, facts.origin)?.size),
    disclosures: openings && `${openings.shown.toLocaleString('en')}, ${openings.findings.length > 0 ? 'see the findings' : 'each the recorded one'}`,
    witnesses: witnesses.length > 0 ? witnesses.join(', ') : noWitness,
    ...factsOf(findings),
  }));
  // What was left out before is in no tree; that this tree only grows can be watched all the same.
  if (checkpoint && wrong.length === 0) trust.remember(checkpoint);
  if (findings.length > 0) throw notTheLog(wrong);
  if (old) throw new Ended(exitCodes.tryAgain, `You may be shown the log as it was: ${old}.`, 'Verify it again; if it stays so, ask the operator, and compare with another copy of the log.');
}

/** One line for each finding. */
export function factsOf(findings: readonly { code: string; detail: string }[]): Record<string, string> {
  return Object.fromEntries(findings.map(({ code, detail }, i) => [`finding ${i + 1}`, `${code}: ${detail}`]));
}

/** Bytes that are not the signed ones, or signed ones from which something was left out before. */
export function notTheLog(wrong: readonly unknown[]): Ended {
  if (wrong.length > 0) return new Ended(exitCodes.failed, 'The log is not what it claims to be.', 'Keep what you have as evidence, and compare with another copy of the log.');
  return new Ended(exitCodes.failed, 'The entries are those that were signed, but something was left out before.', 'Ask the operator what happened there; keep what you have as evidence.');
}

export function verdictOf(wrong: readonly unknown[], omissions: readonly unknown[], old: string | undefined, good = 'intact'): Painted {
  if (wrong.length > 0) return painted('bad', 'NOT INTACT');
  if (omissions.length > 0) return painted('bad', 'INCOMPLETE');
  return old ? painted('mild', 'intact, but OLD') : painted('good', good);
}

function memoryOf({ findings }: LogReport, size: number | undefined): string {
  if (size === undefined) return findings.length === 0 ? 'none remembered: from now on this one is' : 'none remembered';
  return `${size.toLocaleString('en')} entries; ${findings.length === 0 ? 'this log begins with them' : 'see the findings'}`;
}
