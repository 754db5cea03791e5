import { Inject, Injectable } from '@nestjs/common';
import type { Actor, Party, Principal } from '@writ/contracts';
import { lookup, type Db, type Tx } from '@writ/messaging';
import { macEquals, type KeyProvider } from '@writ/token';
import { Departures } from './departure.store.js';
import { KEYS } from '../keys.store.js';
import { StateLog } from '../state/state-log.store.js';
import { isAsWritten } from '../tokens/as-written.store.js';
import { ForgedRow, rowSealOf, sealOf, type SecretFacts, type TokenRow } from '../tokens/token.row.js';

type SecretRow = SecretFacts & { token_id: string; mac: Buffer; mac_kid: string };

const secretsOf = lookup<SecretRow>('SELECT token_id, verifier, generation, minted_seq, mac, mac_kid FROM secret WHERE token_id = ANY($1)', (row) => row.token_id);

/** It ended before it could be handed on: a revocation, an expiry or an epoch in the log, whatever its row says. */
export class EndedToken extends Error {
  constructor(tokenId: string) {
    super(`${tokenId} has ended.`);
    this.name = 'EndedToken';
  }
}

/** Whoever is to have it has left themselves. */
export class LeftToo extends Error {
  constructor(ownerId: string) {
    super(`${ownerId} has left.`);
    this.name = 'LeftToo';
  }
}

/** Gives tokens another owner. Rows, state log and event in one transaction. */
@Injectable()
export class Transfers {
  constructor(private readonly log: StateLog, private readonly departures: Departures, @Inject(KEYS) private readonly keys: KeyProvider) {}

  /**
   * Changes owner and claimant of a locked token and nothing else of it. Its secrets live on, until the rotation that
   * follows; from its new place in the state log on only epochs of the new owner end it.
   * @throws ForgedRow, EndedToken, LeftToo before anything is changed
   */
  async transfer(tx: Tx<'issuer'>, token: TokenRow, to: Party, claimant: Principal, by: Actor, reason?: string): Promise<number> {
    const secrets = await this.genuineSecrets(tx.db, token);
    // The new place is past every epoch, so nothing that one has ended may get there, swept or not.
    const { ended, suspended } = await this.log.standing(tx.db, token.token_id);
    if (ended) throw new EndedToken(token.token_id);
    // Asked while the log waits for us: who leaves from now on leaves after this, and so it ends with the rest of theirs.
    if (await this.departures.hasLeft(tx.db, to.id)) throw new LeftToo(to.id);
    // Said in the words that every verifier knows: it goes on, or stays stopped, and is read anew.
    const kind = suspended ? 'suspend' : 'resume';
    const { seq } = await this.log.append(tx.db, { kind, reasonCode: 'transferred', tokenId: token.token_id, ownerId: to.id, by });
    const moved = { ...token, owner_id: to.id, claimant_iss: claimant.iss, claimant_sub: claimant.sub, issue_seq: String(seq), orphaned_until: null };
    const macKid = this.keys.keys('row').current;
    tx.db.update('token', { token_id: token.token_id, version: token.version }, {
      version: token.version + 1, owner_id: to.id, claimant_iss: claimant.iss, claimant_sub: claimant.sub, issue_seq: seq, orphaned_until: null,
      mac: await rowSealOf(this.keys, moved, macKid), mac_kid: macKid,
    });
    await this.resealSecrets(tx.db, secrets, moved, macKid);
    tx.emit('token.transferred', {
      tokenId: token.token_id, requestId: token.request_id, from: { id: token.owner_id, team: token.owner_team }, to, claimant, by, reason, seq,
    }, { version: token.version + 1 });
    return seq;
  }

  /** Offers a locked token to its team. One that was edited or put back gets no good seal: it is said, and nobody can take it. */
  async orphan(tx: Tx<'issuer'>, token: TokenRow, until: Date): Promise<void> {
    const endsAt = new Date(Math.min(until.getTime(), token.expires_at.getTime()));
    const macKid = this.keys.keys('row').current;
    const sealed = (await isAsWritten(tx.db, this.keys, token)) ? { mac: await rowSealOf(this.keys, { ...token, orphaned_until: endsAt }, macKid), mac_kid: macKid } : {};
    tx.db.update('token', { token_id: token.token_id, version: token.version }, { version: token.version + 1, orphaned_until: endsAt.toISOString(), ...sealed });
    tx.db.insert('orphaning', { token_id: token.token_id, owner_id: token.owner_id, ends_at: endsAt.toISOString() });
    tx.emit('token.orphaned', {
      tokenId: token.token_id, requestId: token.request_id, owner: { id: token.owner_id, team: token.owner_team }, endsAt: endsAt.toISOString(),
    }, { version: token.version + 1 });
  }

  private async genuineSecrets(db: Db, token: TokenRow): Promise<SecretRow[]> {
    const secrets = await db.many(secretsOf, token.token_id);
    const genuine = await Promise.all([
      isAsWritten(db, this.keys, token),
      ...secrets.map(async (secret) => macEquals(secret.mac, await sealOf(this.keys, token, secret.mac_kid, secret))),
    ]);
    if (genuine.includes(false)) throw new ForgedRow(token.token_id);
    return secrets;
  }

  private async resealSecrets(db: Db, secrets: readonly SecretRow[], moved: TokenRow, macKid: string): Promise<void> {
    await Promise.all(secrets.map(async (secret) => {
      db.update('secret', { verifier: secret.verifier }, { mac: await sealOf(this.keys, moved, macKid, secret), mac_kid: macKid });
    }));
  }
}
