import { setTimeout as pause } from 'node:timers/promises';
import { TlogError } from '@writ/tlog';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { LogFollower, NotTheLog, type NewEntries } from '../follow-log.js';
import { sourceAt, trustOf, type TrustOptions } from '../log-policy.js';
import { untilInterrupted } from '../wait.js';

const pollMs = 2_000;

interface WatchOptions extends TrustOptions { type?: string; token?: string }
interface Leaf { type: string; rec: string; token?: string; request?: string }

/** Prints what the log gains, verified, until somebody presses Ctrl-C. An outage is waited out; a wrong log ends it. */
export async function watch(options: WatchOptions, { session, output }: Context): Promise<void> {
  const where = session.variable('WRIT_AUDIT_URL');
  const trust = trustOf(options, session);
  const follower = new LogFollower(sourceAt(where), trust.policy, trust.remembered);
  const interrupted = untilInterrupted();
  output.say(trust.remembered ? `Watching ${where} from entry ${trust.remembered.size} on. Ctrl-C ends it.` : `Watching ${where} from now on. Ctrl-C ends it.`);
  let isOut = false;
  while (!interrupted.aborted) {
    try {
      const { checkpoint, entries } = await follower.next();
      if (isOut) output.say(`${where} answers again.`);
      isOut = false;
      for (const entry of entries) show(entry, options, output);
      trust.remember(checkpoint);
      output.progress(`${checkpoint.size.toLocaleString('en')} entries, verified up to the checkpoint of ${new Date().toISOString().slice(11, 19)}`);
    } catch (error) {
      if (error instanceof NotTheLog) throw new Ended(exitCodes.failed, `${error.message} The log is not what it claims to be.`, 'Keep what you have as evidence, and compare with another copy of the log.');
      if (!(error instanceof TlogError) || error.code !== 'source-unreachable') throw error;
      if (!isOut) output.say(`${where} does not answer; trying until it does.`);
      isOut = true;
    }
    await pause(pollMs, undefined, { signal: interrupted }).catch(() => undefined);
  }
  output.progressDone();
}

function show({ index, leaf }: NewEntries['entries'][number], { type, token }: WatchOptions, output: Context['output']): void {
  const text = Buffer.from(leaf).toString();
  const read = JSON.parse(text) as Leaf;
  if ((type !== undefined && read.type !== type) || (token !== undefined && read.token !== token)) return;
  output.progressDone();
  output.answer({ index, leaf: text }, () => `${String(index).padStart(8)}  ${read.rec}  ${read.type.padEnd(22)}  ${read.token ?? read.request ?? ''}`.trimEnd());
}
