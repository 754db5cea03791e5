import { Inject, Injectable } from '@nestjs/common';
import type { Actor, Party, Principal } from '@writ/contracts';
import { toJson, type Db, type Tx } from '@writ/messaging';
import { macEquals, type KeyProvider } from '@writ/token';
import { KEYS } from './keys.store.js';
import { StateLog } from './state-log.store.js';
import { sealOf, type SecretFacts, type TokenRow } from './token.row.js';

type SecretRow = SecretFacts & { mac: Buffer; mac_kid: string };

/** Gives tokens another owner. Rows, state log and event in one transaction. */
@Injectable()
export class Transfers {
  constructor(private readonly log: StateLog, @Inject(KEYS) private readonly keys: KeyProvider) {}

  /**
   * Changes owner and claimant of a locked token and nothing else of it. Its secrets live on, until the rotation that
   * follows; from its new place in the state log on only epochs of the new owner end it.
   */
  async transfer(tx: Tx<'issuer'>, token: TokenRow, to: Party, claimant: Principal, by: Actor, reason?: string): Promise<number> {
    await this.mustBeGenuine(token.mac, sealOf(this.keys, token, token.mac_kid), token);
    // Said in the words that every verifier knows: it goes on, or stays stopped, and is read anew.
    const kind = token.state === 'suspended' ? 'suspend' : 'resume';
    const { seq } = await this.log.append(tx.db, { kind, reasonCode: 'transferred', tokenId: token.token_id, ownerId: to.id });
    const moved = { ...token, owner_id: to.id, claimant_iss: claimant.iss, claimant_sub: claimant.sub, issue_seq: String(seq) };
    const macKid = this.keys.keys('row').current;
    tx.db.update('token', { token_id: token.token_id, version: token.version }, {
      version: token.version + 1, owner_id: to.id, claimant_iss: claimant.iss, claimant_sub: claimant.sub, issue_seq: seq, orphaned_until: null,
      mac: await sealOf(this.keys, moved, macKid), mac_kid: macKid,
    });
    await this.resealSecrets(tx.db, token, moved, macKid);
    tx.emit('token.transferred', {
      tokenId: token.token_id, requestId: token.request_id, from: { id: token.owner_id, team: token.owner_team }, to, claimant, by, reason, seq,
    }, { version: token.version + 1 });
    return seq;
  }

  /** Offers a locked token to its team. */
  orphan(tx: Tx<'issuer'>, token: TokenRow, until: Date): void {
    const endsAt = new Date(Math.min(until.getTime(), token.expires_at.getTime()));
    tx.db.update('token', { token_id: token.token_id, version: token.version }, { version: token.version + 1, orphaned_until: endsAt.toISOString() });
    tx.emit('token.orphaned', {
      tokenId: token.token_id, requestId: token.request_id, owner: { id: token.owner_id, team: token.owner_team }, endsAt: endsAt.toISOString(),
    }, { version: token.version + 1 });
  }

  private async resealSecrets(db: Db, token: TokenRow, moved: TokenRow, macKid: string): Promise<void> {
    const secrets = await db.query<SecretRow>('SELECT verifier, generation, minted_seq, mac, mac_kid FROM secret WHERE token_id = $1', [token.token_id]);
    const sealed = await Promise.all(secrets.map(async (secret) => {
      await this.mustBeGenuine(secret.mac, sealOf(this.keys, token, secret.mac_kid, secret), token);
      return { verifier: secret.verifier, mac: await sealOf(this.keys, moved, macKid, secret) };
    }));
    await db.query(
      `UPDATE secret s SET mac = r.mac, mac_kid = $2 FROM json_populate_recordset(NULL::secret, $1::json) r WHERE s.verifier = r.verifier`, [toJson(sealed), macKid],
    );
  }

  /** What somebody edited must not come out of here with a good seal. */
  private async mustBeGenuine(mac: Buffer, expected: Promise<Buffer>, { token_id }: TokenRow): Promise<void> {
    if (!macEquals(mac, await expected)) throw new Error(`The row of ${token_id} was changed behind the issuer's back.`);
  }
}
