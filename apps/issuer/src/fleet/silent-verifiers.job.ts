import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Transactions } from '@writ/messaging';
import { Jobs } from '@writ/service';
import { Fleet } from './fleet.store.js';

const everyMs = 10_000;
const silentMs = 60_000;
const keptHours = 24;

/**
 * Retires verifiers that were not heard for a minute, so that one that died holds up nothing that waits for everybody's
 * uses. Whoever was only asleep is told to register anew. Retired ones are kept for a day, for uses that they still tell.
 */
@Injectable()
export class SilentVerifiersJob implements OnModuleInit {
  private lastRound = -Infinity;
  private steadySince = Infinity;

  constructor(private readonly jobs: Jobs, private readonly transactions: Transactions<'issuer'>, private readonly fleet: Fleet) {}

  onModuleInit(): void {
    this.jobs.everyOwn(everyMs, 'retire-silent-verifiers', () => this.round());
  }

  /** @param mono monotonic time in milliseconds */
  async round(mono = performance.now()): Promise<void> {
    await this.noteHeard();
    // After a pause, ours or the database's, nobody could be heard either: all have a minute again.
    if (mono - this.lastRound > 3 * everyMs) this.steadySince = mono;
    this.lastRound = mono;
    if (mono - this.steadySince < silentMs) return;
    await this.transactions.read((db) => db.query(
      // Stamped once it is locked: fences wait for a lease that it got until then.
      `WITH silent AS (
         SELECT verifier_id FROM verifier WHERE retired_at IS NULL AND heard_at < now() - $1 * interval '1 millisecond' ORDER BY verifier_id FOR UPDATE SKIP LOCKED
       ) UPDATE verifier v SET retired_at = clock_timestamp() FROM silent s WHERE v.verifier_id = s.verifier_id`, [silentMs],
    ));
    await this.transactions.read((db) => db.query(`DELETE FROM verifier WHERE retired_at < now() - $1 * interval '1 hour'`, [keptHours]));
  }

  /** One write for all that asked here, so that granting writes nothing. A row that is locked belongs to somebody who is alive. */
  private async noteHeard(): Promise<void> {
    const heard = this.fleet.takeHeard();
    try {
      await this.transactions.read((db) => db.query(
        `WITH heard AS (SELECT verifier_id FROM verifier WHERE verifier_id = ANY($1) ORDER BY verifier_id FOR UPDATE SKIP LOCKED)
         UPDATE verifier v SET heard_at = now() FROM heard h WHERE v.verifier_id = h.verifier_id`, [heard],
      ));
    } catch (error) {
      this.fleet.giveBackHeard(heard);
      throw error;
    }
  }
}
