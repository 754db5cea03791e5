import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { digestOf, verifyStatement, type Digest, type PolicySetClaims, type Trust } from '@writ/contracts';
import type { Db } from '@writ/messaging';
import type { Catalog, Decision, PolicyFacts, PolicyFiles } from '@writ/policy';
import { createDecider, PolicyError } from '@writ/policy/threads';
import { Clock, Health, loadTrust } from '@writ/service';
import { PolicyConfig } from '../config.js';
import { filesOf, holdHead, type Head } from './policy-set.store.js';
import { isWellFormed } from './set-checks.store.js';

/** The set that decides, as the newest committed activation names it. */
export interface ActiveSet {
  activation: number;
  digest: Digest;
  files: PolicyFiles;
  catalog: Catalog;
}

/**
 * The one set that decides in this replica. Transactions that decide hold the database's pointer until they commit, and
 * an activation waits for them: no decision is ever made by an older set than the newest committed one, in any replica.
 * A pointer that is not signed, names another set or goes backwards leaves no set at all: then nothing is decided, and
 * requests wait.
 */
@Injectable()
export class ActiveSets implements OnApplicationShutdown {
  private readonly trust: Trust;
  private readonly decider = createDecider();
  private readonly held = new WeakMap<Db, Promise<ActiveSet | undefined>>();
  private current?: ActiveSet;
  private fault?: string;
  private loading: Promise<unknown> = Promise.resolve();

  constructor(config: PolicyConfig, private readonly clock: Clock, health: Health) {
    this.trust = loadTrust(config.trustFile);
    health.add(() => this.fault);
  }

  /** The set that decides within this transaction; undefined where none may. Asked for once per transaction. */
  of(db: Db): Promise<ActiveSet | undefined> {
    let set = this.held.get(db);
    if (!set) {
      set = holdHead(db).then((head) => this.at(head, db));
      this.held.set(db, set);
    }
    return set;
  }

  /** The set loaded last, for answers that only inform. */
  get latest(): ActiveSet | undefined {
    return this.fault ? undefined : this.current;
  }

  /** Decides by exactly this set, off the event loop. Equal facts are decided once. */
  async decide(set: ActiveSet, facts: PolicyFacts): Promise<Decision> {
    const decision = await this.decider.decide(facts, { nearest: true });
    if (decision.policyDigest !== set.digest) throw new Error('The policy set changed while a request was being decided.');
    return decision;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.decider.close();
  }

  private at(head: Head, db: Db): Promise<ActiveSet | undefined> {
    if (this.current && !this.fault && this.current.activation === head.activation && this.current.digest === head.policy_digest) {
      return Promise.resolve(this.current);
    }
    const loaded = this.loading.then(() => this.load(head, db));
    this.loading = loaded.catch(() => undefined);
    return loaded;
  }

  private async load(head: Head, db: Db): Promise<ActiveSet | undefined> {
    const { current } = this;
    if (head.activation === 0 && !current) return undefined;
    const fault = this.faultOf(head);
    if (fault) return this.stop(fault);
    const digest = head.policy_digest as Digest;
    if (current?.digest === digest) return this.go({ ...current, activation: head.activation });
    const files = await filesOf(db, digest);
    if (!files || !isWellFormed(files) || digestOf(files) !== digest) return this.stop('the active policy set is missing or was changed');
    try {
      const { catalog } = await this.decider.activate(files);
      return this.go({ activation: head.activation, digest, files, catalog });
    } catch (error) {
      if (!(error instanceof PolicyError && error.code === 'broken-policy-set')) throw error;
      return this.stop(`the active policy set cannot be read: ${error.message}`);
    }
  }

  private faultOf({ activation, policy_digest, statement }: Head): string | undefined {
    if (this.current && activation < this.current.activation) return 'the active policy set went back to an earlier activation';
    const claims = verifyStatement(this.trust, 'policy-set', statement ?? '', this.clock.now());
    if (typeof claims === 'string') return `the active policy set is not signed (${claims})`;
    const signed = claims as PolicySetClaims;
    const matches = signed.policyDigest === policy_digest && signed.activation === activation;
    return matches ? undefined : 'the active policy set is not the one that was signed';
  }

  private stop(fault: string): undefined {
    this.fault = fault;
    return undefined;
  }

  private go(set: ActiveSet): ActiveSet {
    this.fault = undefined;
    this.current = set;
    return set;
  }
}
