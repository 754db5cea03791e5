import { readFileSync } from 'node:fs';
import { Inject, Injectable } from '@nestjs/common';
import type { Logger } from 'pino';
import {
  addSignatures, cosignWith, evaluatePolicy, formatNote, parseNote, parsePolicy, proveConsistency,
  type Policy, type PolicyVerdict, type TileReader, type VerifierKey, type WitnessAnswer,
} from '@writ/tlog';
import { LOG } from '@writ/service';
import { AuditConfig } from '../config.js';
import type { Finding } from '../monitor/finding.js';
import type { PublishedHead } from '../site/log.store.js';

const timeoutMs = 5_000;

/** What the witnesses said to a checkpoint. */
export interface Cosigned {
  /** The note with their signatures. */
  note: string;
  /** Witnesses that were shown another log, or a longer one, than this. */
  findings: Finding[];
}

/** Collects the cosignatures that the policy file asks for. Without one, nobody outside would notice two different logs. */
@Injectable()
export class Cosigners {
  private readonly policy?: Policy;
  private readonly seen = new Map<string, number>();

  constructor(config: AuditConfig, @Inject(LOG) private readonly log: Logger) {
    if (config.auditPolicyFile) this.policy = parsePolicy(readFileSync(config.auditPolicyFile));
  }

  /** Adds what the witnesses answer in time. */
  async cosign({ note, size }: PublishedHead, tiles: TileReader): Promise<Cosigned> {
    const witnesses = this.policy?.witnesses.filter(({ url }) => url !== undefined) ?? [];
    const answers = await Promise.all(witnesses.map(async ({ name, key, url }) => {
      try {
        const answer = await cosignWith({ url: url!, key }, note, this.seen.get(name) ?? 0, (from) => proveConsistency(tiles, from, size), { timeoutMs });
        if (answer.outcome === 'other-size') this.seen.set(name, Math.min(answer.size, size));
        if (answer.outcome === 'cosigned') this.seen.set(name, size);
        else this.log.error({ witness: name, answer }, 'a witness did not cosign');
        return { name, answer };
      } catch (error) {
        this.log.warn({ witness: name, err: error }, 'a witness does not answer');
        return { name };
      }
    }));
    const signatures = answers.flatMap(({ answer }) => (answer?.outcome === 'cosigned' ? answer.signatures.map(({ signature }) => signature) : []));
    return {
      note: signatures.length > 0 ? formatNote(addSignatures(parseNote(note), signatures)) : note,
      findings: answers.flatMap(({ name, answer }) => (answer ? findingOf(name, answer, size) : [])),
    };
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

/** 422 says that the proof does not lead from what the witness has seen; a witness that is ahead was shown another log by somebody. */
function findingOf(name: string, answer: WitnessAnswer, size: number): Finding[] {
  if (answer.outcome === 'refused' && answer.status === 422) {
    return [{ code: 'witness-differs', detail: `The witness ${name} refuses this log: what it was shown before is no beginning of it.` }];
  }
  if (answer.outcome === 'other-size' && answer.size > size) {
    return [{ code: 'witness-differs', detail: `The witness ${name} was shown ${answer.size} entries of this log, which never were published here.` }];
  }
  return [];
}
