import { Injectable } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import type { LiveToken, SimulationReport, StoredRequest } from '@writ/policy';
import { PolicyError, simulateOnThread } from '@writ/policy/threads';
import { Clock, Jobs } from '@writ/service';
import { livingOf, requestOf, withPeoplesTokens, type Living } from './past.js';
import { filesOf } from '../sets/policy-set.store.js';
import { beat, begin, claimSimulation, countPast, finish, pastDecisions, putBack, type Claimed } from './simulation.store.js';

const everyMs = 500;
const beatMs = 1_000;
const pageSize = 2_000;
/** The newest of them; more would not fit beside live decisions. */
const mostLiving = 50_000;
const answerWithinMs = 300_000;

/** Decides the past again under a draft, on a thread of its own. A replica that dies leaves it to the others. */
@Injectable()
export class RunSimulations {
  constructor(jobs: Jobs, private readonly transactions: Transactions<'policy'>, private readonly clock: Clock) {
    jobs.every(everyMs, 'run-simulations', (signal) => this.round(signal));
  }

  private async round(signal: AbortSignal): Promise<boolean> {
    const claimed = await this.transactions.run((tx) => claimSimulation(tx.db));
    if (!claimed) return false;
    const { simulation_id: id } = claimed;
    const progress = { done: 0 };
    // A beat that fails only lets another replica do the same work.
    const beating = setInterval(() => void this.transactions.read((db) => beat(db, id, progress.done)).catch(() => undefined), beatMs);
    try {
      const report = await this.simulate(claimed, progress, signal);
      await this.transactions.run((tx) => finish(tx.db, id, { report }));
    } catch (error) {
      if (signal.aborted) await this.transactions.run((tx) => putBack(tx.db, id));
      else if (error instanceof PolicyError) await this.transactions.run((tx) => finish(tx.db, id, { error: error.message }));
      else throw error; // It is taken up again in half a minute.
    } finally {
      clearInterval(beating);
    }
    return true;
  }

  private async simulate({ simulation_id: id, draft_digest, active_digest, days }: Claimed, progress: { done: number }, signal: AbortSignal): Promise<SimulationReport> {
    const { draft, active } = await this.transactions.read(async (db) => {
      await begin(db, id, await countPast(db, days));
      return { draft: await filesOf(db, draft_digest), active: await filesOf(db, active_digest) };
    });
    if (!draft || !active) throw new Error(`Simulation ${id} names a set that is not there.`);
    const living: Living[] = [];
    const requests = this.past(days, living, signal);
    const report = await simulateOnThread({ active, draft, requests, timeoutMs: answerWithinMs, onProgress: (count) => { progress.done = count; } });
    const [byPolicy, byPeople] = [false, true].map((people) => living.filter((each) => each.byPeople === people).map(({ token }) => token));
    const tokens = (of: LiveToken[] = []) => simulateOnThread({ active, draft, requests: [], tokens: of, timeoutMs: answerWithinMs });
    return withPeoplesTokens({ ...report, tokens: (await tokens(byPolicy)).tokens }, (await tokens(byPeople)).tokens);
  }

  /** Reads the past page by page, no faster than it is decided, and gathers what of it still lives. */
  private async* past(days: number, living: Living[], signal: AbortSignal): AsyncGenerator<StoredRequest[]> {
    const now = this.clock.now();
    let after = '';
    for (;;) {
      signal.throwIfAborted();
      const page = await this.transactions.read((db) => pastDecisions(db, days, after, pageSize));
      if (page.length === 0) return;
      after = page.at(-1)?.requestId ?? after;
      living.push(...page.map((each) => livingOf(each, now)).filter((each) => each !== undefined));
      living.splice(0, living.length - mostLiving);
      yield page.map(requestOf).filter((request) => request !== undefined);
    }
  }
}
