import { readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import {
  addSignatures, cosignWith, evaluatePolicy, formatNote, parseNote, parsePolicy, proveConsistency, type Policy, type PolicyVerdict, type TileReader, type VerifierKey,
} from '@writ/tlog';
import { Clock, LOG } from '@writ/service';
import { AuditConfig } from '../config.js';

/** A silent witness delays a checkpoint by this much, and not more. */
const timeoutMs = 3_000;
/** One that did not answer is left in peace this long, so that it delays one checkpoint and not each. */
const restMs = 30_000;

/** Collects the cosignatures that the policy file asks for. Without one, nobody outside would notice two different logs. */
@Injectable()
export class Cosigners {
  private readonly policy?: Policy;
  private readonly seen = new Map<string, number>();
  private readonly restsUntil = new Map<string, number>();

  constructor(config: AuditConfig, @Inject(LOG) private readonly log: Logger, private readonly clock: Clock) {
    if (config.auditPolicyFile) this.policy = parsePolicy(readFileSync(config.auditPolicyFile));
  }

  /** Adds what the witnesses answer in time. A checkpoint without its quorum is published too, and says so by itself. */
  async cosign(note: string, size: number, tiles: TileReader): Promise<string> {
    const now = this.clock.now().getTime();
    const witnesses = this.policy?.witnesses.filter(({ name, url }) => url !== undefined && now >= (this.restsUntil.get(name) ?? 0)) ?? [];
    const answers = await Promise.all(witnesses.map(async ({ name, key, url }) => {
      try {
        const answer = await cosignWith({ url: url!, key }, note, this.seen.get(name) ?? 0, (from) => proveConsistency(tiles, from, size), { timeoutMs });
        if (answer.outcome === 'cosigned') {
          this.seen.set(name, size);
          return answer.signatures.map(({ signature }) => signature);
        }
        if (answer.outcome === 'other-size') this.seen.set(name, answer.size);
        this.log.error({ witness: name, answer }, 'a witness did not cosign');
      } catch (error) {
        this.restsUntil.set(name, now + restMs);
        this.log.warn({ witness: name, err: error }, 'a witness does not answer');
      }
      return [];
    }));
    return answers.some(({ length }) => length > 0) ? formatNote(addSignatures(parseNote(note), answers.flat())) : note;
  }

  /** Judges a checkpoint by the policy; undefined where there is none. */
  verdict(note: string, key: VerifierKey): PolicyVerdict | undefined {
    return this.policy && evaluatePolicy(this.policy, parseNote(note), [key]);
  }

  /** Whether the policy asks for anybody but the log itself. */
  get needsWitnesses(): boolean {
    return this.policy !== undefined && this.policy.quorum !== 'none';
  }
}
