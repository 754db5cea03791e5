import { digestOf } from '@writ/contracts';
import { Injectable } from '@nestjs/common';
import type { Loosened, PolicyCheck } from '@writ/contracts';
import type { PolicyFiles } from '@writ/policy';
import { checkOnThread, compareOnThread } from '@writ/policy/threads';
import { later } from '@writ/service';

const mostRunning = 2;
const mostKept = 16;
/** Shorter than connections may be silent; the work goes on, and who repeats the call gets its result. */
const answerWithinMs = 13_000;

/**
 * Checks and compares sets on threads of their own. Equal questions share one answer, also while it is being worked
 * out, so that a caller who was told "later" finds it ready.
 */
@Injectable()
export class SetChecks {
  private readonly answers = new Map<string, Promise<unknown>>();
  private running = 0;

  check(files: PolicyFiles): Promise<PolicyCheck> {
    return this.once(`check ${keyOf(files)}`, () => checked(files));
  }

  compare(active: PolicyFiles, draft: PolicyFiles): Promise<Loosened> {
    return this.once(`compare ${keyOf(active)} ${keyOf(draft)}`, () => compareOnThread(active, draft));
  }

  private async once<T>(key: string, work: () => Promise<T>): Promise<T> {
    let answer = this.answers.get(key) as Promise<T> | undefined;
    if (!answer) {
      if (this.running >= mostRunning) throw later('Other policy sets are being checked.', 5);
      this.running += 1;
      answer = work().finally(() => { this.running -= 1; });
      this.keep(key, answer);
    }
    return within(answer);
  }

  /** Keeps an answer, the newest few only; a failure is not an answer. */
  private keep(key: string, answer: Promise<unknown>): void {
    this.answers.set(key, answer);
    answer.catch(() => this.answers.delete(key));
    const [oldest] = this.answers.keys();
    if (this.answers.size > mostKept && oldest !== undefined) this.answers.delete(oldest);
  }
}

async function within<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(later('The policy set is still being checked.', 5)), answerWithinMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function checked(files: PolicyFiles): Promise<PolicyCheck> {
  const { valid, digest, problems, cases, analysis } = await checkOnThread(files);
  return {
    valid, digest,
    problems: problems.map((problem) => ({ ...problem })),
    cases: cases.map(({ name, passed, differences }) => ({ name, passed, differences: [...differences] })),
    ...(analysis ? { analysis: { statement: analysis.statement, exhaustive: analysis.exhaustive, points: analysis.points, assertions: analysis.assertions.map((each) => ({ ...each })) } } : {}),
  };
}

/** Files that are no well-formed Unicode have no digest; they are told apart all the same. */
function keyOf(files: PolicyFiles): string {
  return isWellFormed(files) ? digestOf(files) : JSON.stringify(files);
}

export function isWellFormed(files: PolicyFiles): boolean {
  return Object.entries(files).every(([path, text]) => path.isWellFormed() && text.isWellFormed());
}
