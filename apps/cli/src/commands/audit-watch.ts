import { setTimeout as pause } from 'node:timers/promises';
import { staleness } from '@writ/site';
import { TlogError } from '@writ/tlog';
import type { Context } from '../context.js';
import { Ended, exitCodes } from '../exit.js';
import { LogFollower, NotTheLog, NotYet, type NewEntries } from '../follow-log.js';
import { sourceAt, trustOf, type TrustOptions } from '../log-policy.js';
import { untilInterrupted } from '../wait.js';

const pollMs = 2_000;

interface WatchOptions extends TrustOptions { type?: string; token?: string }
interface Leaf { type: string; rec: string; token?: string; request?: string }

/** Prints what the log gains, verified, until somebody presses Ctrl-C. An outage is waited out; a wrong log ends it. */
export async function watch(options: WatchOptions, { session, output }: Context): Promise<void> {
  const where = session.address('WRIT_AUDIT_URL');
  const trust = trustOf(options, session);
  const follower = new LogFollower(sourceAt(where), trust.policy, trust.remembered);
  const interrupted = untilInterrupted();
  const said = new Said(output);
  let news: NewEntries | undefined;
  while (!interrupted.aborted) {
    try {
      const last = news;
      news = await follower.next();
      if (!last) output.say(`Watching ${where} from ${news.from === news.checkpoint.size && trust.remembered.length === 0 ? 'now' : `entry ${news.from}`} on. Ctrl-C ends it.`);
      said.now('outage', undefined, `${where} answers again.`);
      for (const entry of news.entries) show(entry, options, output);
      trust.remember(news.checkpoint);
      output.progress(`${news.checkpoint.size.toLocaleString('en')} entries, verified up to the checkpoint of ${new Date().toISOString().slice(11, 19)}`);
    } catch (error) {
      if (error instanceof NotTheLog) throw new Ended(exitCodes.failed, `${error.message} The log is not what it claims to be.`, 'Keep what you have as evidence, and compare with another copy of the log.');
      said.now('outage', troubleOf(error, where), '');
    }
    const old = news && staleness(news, Date.now());
    said.now('old', old && `You may be shown the log as it was: ${old}. Ask the operator.`, 'The log goes on.');
    await pause(pollMs, undefined, { signal: interrupted }).catch(() => undefined);
  }
  output.progressDone();
}

/** What passes by itself, in words. Anything else is thrown. */
function troubleOf(error: unknown, where: string): string {
  if (error instanceof NotYet) return `${error.message} Waiting until they have.`;
  if (error instanceof TlogError && error.code === 'source-unreachable') return `${where} does not answer; trying until it does.`;
  throw error;
}

/** Says each trouble once, and once that it is over. */
class Said {
  private readonly troubles = new Set<string>();

  constructor(private readonly output: Context['output']) {}

  now(kind: string, trouble: string | undefined, over: string): void {
    if ((trouble !== undefined) === this.troubles.has(kind)) return;
    this.output.progressDone();
    this.output.say(trouble ?? over);
    if (trouble === undefined) this.troubles.delete(kind);
    else this.troubles.add(kind);
  }
}

function show({ index, leaf }: NewEntries['entries'][number], { type, token }: WatchOptions, output: Context['output']): void {
  const text = Buffer.from(leaf).toString();
  const read = JSON.parse(text) as Leaf;
  if ((type !== undefined && read.type !== type) || (token !== undefined && read.token !== token)) return;
  output.progressDone();
  output.answer({ index, leaf: text }, () => `${String(index).padStart(8)}  ${read.rec}  ${read.type.padEnd(22)}  ${read.token ?? read.request ?? ''}`.trimEnd());
}
