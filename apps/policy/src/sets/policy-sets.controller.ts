import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import {
  digestOf, PolicySetBody, type ActivationAnswer, type ActivePolicySet, type Digest, type Loosened, type PolicyCheck, type PolicySetAnswer,
} from '@writ/contracts';
import { Transactions } from '@writ/messaging';
import type { PolicyFiles } from '@writ/policy';
import { engineVersion, responseOnThread } from '@writ/policy/threads';
import { Allow, AllowAfterStepUp, bodyOf, CallerOf, ChangesNothing, conflict, notFound, principalOf, type Caller } from '@writ/service';
import { Activations } from './activations.store.js';
import { pageOf } from '../reviews/page.js';
import { addSet, filesOf, findSet, listSets, newestActivation, readHead, storedSet, type StoredSet } from './policy-set.store.js';
import { isWellFormed, SetChecks } from './set-checks.store.js';

const unchanged: Loosened = { loosened: false, statement: 'The set is active already.' };

/** Policy sets: checked, kept for ever under their digest, activated by one person or two. */
@Controller('v1/policy-sets')
export class PolicySetsController {
  constructor(private readonly transactions: Transactions<'policy'>, private readonly activations: Activations, private readonly checks: SetChecks) {}

  /** Checks a set and compares it with the active one; keeps nothing. */
  @Post('validate')
  @HttpCode(200)
  @Allow('policy-admin')
  @ChangesNothing()
  async validate(@Body(bodyOf(PolicySetBody)) { files }: PolicySetBody): Promise<PolicyCheck> {
    const check = await this.checks.check(files);
    const active = await this.transactions.read(async (db) => filesOf(db, (await readHead(db)).policy_digest ?? ''));
    return check.valid && active ? { ...check, loosening: await this.checks.compare(active, files) } : check;
  }

  /** Keeps a valid set: 201. One with problems is answered with them, 200, and not kept. */
  @Post()
  @HttpCode(200)
  @Allow('policy-admin')
  async add(@CallerOf() caller: Caller, @Body(bodyOf(PolicySetBody)) { files }: PolicySetBody, @Res({ passthrough: true }) reply: FastifyReply): Promise<PolicyCheck> {
    const known = await this.known(files);
    if (known) return known;
    const report = await this.checks.check(files);
    if (!report.valid) return report;
    await this.transactions.run((tx) => addSet(tx.db, report.digest, { files, checkedBy: engineVersion, report }, principalOf(caller)));
    void reply.status(201);
    return report;
  }

  @Get()
  @Allow('policy-admin', 'auditor', 'reviewer')
  list(@Query() query: Record<string, unknown>): Promise<{ items: PolicySetAnswer[]; next: string | null }> {
    const { limit, cursor } = pageOf(query);
    return this.transactions.read(async (db) => {
      const sets = await listSets(db, limit + 1, cursor);
      const items = sets.slice(0, limit);
      return { items, next: sets.length > limit ? (items.at(-1)?.digest ?? null) : null };
    });
  }

  @Get('active')
  @Allow()
  async active(): Promise<ActivePolicySet> {
    const active = await this.transactions.read(newestActivation);
    if (!active) throw notFound('active policy set');
    return active;
  }

  @Get(':digest')
  @Allow('policy-admin', 'auditor', 'reviewer')
  async one(@Param('digest') digest: string): Promise<PolicySetAnswer> {
    const set = await this.transactions.read((db) => findSet(db, digest));
    if (!set) throw notFound('policy set');
    return set;
  }

  /**
   * Makes a set decide, in every replica before its next decision. Where it lets through anything that the active one
   * does not, the first call only records who proposes it, and another person must repeat it: 202. The first set of a
   * new deployment has nobody to be compared with and needs one person. Activating an earlier digest rolls back.
   */
  @Post(':digest/activate')
  @HttpCode(200)
  @AllowAfterStepUp('policy-admin')
  async activate(@CallerOf() caller: Caller, @Param('digest') digest: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<ActivationAnswer> {
    const { head, draft, active } = await this.transactions.read(async (db) => {
      const now = await readHead(db);
      return { head: now, draft: await storedSet(db, digest), active: await storedSet(db, now.policy_digest ?? '') };
    });
    if (!draft) throw notFound('policy set');
    const loosening = head.policy_digest === digest ? unchanged : await this.judged(draft, active);
    const response = await responseOnThread(draft.files) ?? undefined;
    const answer = await this.activations.activate({ digest: digest as Digest, response }, head, loosening, caller);
    if (answer.state === 'needs-second-person') void reply.status(202);
    return answer;
  }

  /** What the checks said of the very same set before, under this engine. */
  private async known(files: PolicyFiles): Promise<PolicyCheck | undefined> {
    if (!isWellFormed(files)) return undefined;
    const stored = await this.transactions.read((db) => storedSet(db, digestOf(files)));
    return stored?.checkedBy === engineVersion ? stored.report : undefined;
  }

  private async judged(draft: StoredSet, active: StoredSet | undefined): Promise<Loosened> {
    if (draft.checkedBy !== engineVersion) await this.checkAgain(draft);
    return active ? this.checks.compare(active.files, draft.files) : { loosened: true, statement: 'Nothing was active before.' };
  }

  private async checkAgain({ files, checkedBy }: StoredSet): Promise<void> {
    const { valid, problems } = await this.checks.check(files);
    if (valid) return;
    throw conflict('policy-set-not-valid', `Valid under ${checkedBy}, not any more: ${problems[0]?.message}`, 'Validate it and send a corrected one.');
  }
}
