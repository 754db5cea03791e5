import { Ended, exitCodes } from './exit.js';
import type { Output } from './output.js';

const firstPauseMs = 150;
const longestPauseMs = 2_000;

/** Asks again until the answer satisfies, showing what it waits for. */
export async function waitFor<Answer>(
  output: Output, ask: () => Promise<Answer>, done: (answer: Answer) => boolean, options: { timeoutSeconds: number; words: (answer: Answer) => string; show?: (answer: Answer) => void },
): Promise<Answer> {
  const end = Date.now() + options.timeoutSeconds * 1_000;
  for (let pause = firstPauseMs; ; pause = Math.min(longestPauseMs, pause * 1.5)) {
    const answer = await ask();
    if (done(answer)) {
      output.progressDone();
      return answer;
    }
    if (Date.now() >= end) {
      output.progressDone();
      throw new Ended(exitCodes.timedOut, `${options.timeoutSeconds} s were not enough: ${options.words(answer)}.`, 'It goes on without you; ask again later, or wait longer with --timeout.');
    }
    if (options.show) options.show(answer);
    else output.progress(`waiting: ${options.words(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(pause, Math.max(0, end - Date.now()))));
  }
}

/** Reads a whole number of seconds. */
export function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new Ended(exitCodes.usage, `${text} is not a whole number of seconds.`);
  return Number(text);
}

/** Reads a whole number, such as a limit. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new Ended(exitCodes.usage, `${text} is not a whole number.`);
  return Number(text);
}

/** Aborts on Ctrl-C or a polite request to end, so that a command that runs until then can end well. */
export function untilInterrupted(): AbortSignal {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  return interrupted.signal;
}
