import { createHmac } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Principal } from '@writ/contracts';
import type { Db } from '@writ/messaging';

export const HONEYTOKEN_KEYS = Symbol('honeytoken keys');

/** A token that came from where a honeytoken was used, and had not come from there before. */
export interface Touched {
  token_id: string;
  first_at: Date;
  /** By an agent that was new too, of an owner who does not roam. */
  by_stranger: boolean;
}

const mostTouched = 20;

/** Which tokens are bait. Only a MAC of their id is kept, under a key that no other service has. */
@Injectable()
export class Honeytokens {
  constructor(@Inject(HONEYTOKEN_KEYS) private readonly keys: Buffer[]) {}

  /** Without a key nothing can be marked. */
  get ready(): boolean {
    return this.keys.length > 0;
  }

  /** @returns the mark in base64url where it is new: it names the token only to who has the key */
  async mark(db: Db, tokenId: string, by: Principal): Promise<string | undefined> {
    const rows = await db.query<{ mac: Buffer }>('INSERT INTO honeytoken (mac, marked_by) VALUES ($1, $2) ON CONFLICT (mac) DO NOTHING RETURNING mac', [this.macOf(tokenId, this.keys.at(-1) as Buffer), JSON.stringify(by)]);
    return rows[0]?.mac.toString('base64url');
  }

  /** @returns the mark that was taken away, where there was one */
  async unmark(db: Db, tokenId: string): Promise<string | undefined> {
    const rows = await db.query<{ mac: Buffer }>('DELETE FROM honeytoken WHERE mac = ANY($1) RETURNING mac', [this.keys.map((key) => this.macOf(tokenId, key))]);
    return rows[0]?.mac.toString('base64url');
  }

  /** Those of the tokens that are bait. */
  async among(db: Db, tokenIds: readonly string[]): Promise<string[]> {
    const any = await db.query('SELECT 1 FROM honeytoken LIMIT 1');
    if (any.length === 0 || tokenIds.length === 0) return [];
    const byMac = new Map(tokenIds.flatMap((tokenId) => this.keys.map((key) => [this.macOf(tokenId, key).toString('hex'), tokenId])));
    const hits = await db.query<{ mac: string }>(`SELECT encode(mac, 'hex') mac FROM honeytoken WHERE mac = ANY (SELECT decode(unnest($1::text[]), 'hex'))`, [[...byMac.keys()]]);
    return hits.map(({ mac }) => byMac.get(mac) as string);
  }

  /** Other tokens that were used, validly, from the same networks and not before the day that ends with this use. */
  async touchedFrom(db: Db, networks: readonly string[], except: string, at: Date): Promise<Touched[]> {
    return db.query<Touched>(
      `SELECT t.*, EXISTS (SELECT 1 FROM usage_source a WHERE a.token_id = t.token_id AND a.kind = 'agent' AND a.first_at > $3::timestamptz - interval '1 day')
         AND (SELECT count(*) FROM usage_source n WHERE n.token_id = t.token_id AND n.kind = 'network' AND n.first_at > $3::timestamptz - interval '10 days') <= 3 by_stranger
       FROM (SELECT token_id, min(first_at) first_at FROM usage_source WHERE kind = 'network' AND value = ANY($1) AND token_id <> $2 AND last_at > $3::timestamptz - interval '1 day'
         AND first_at > $3::timestamptz - interval '1 day' GROUP BY token_id ORDER BY 2 DESC LIMIT $4) t`,
      [networks, except, at, mostTouched],
    );
  }

  private macOf(tokenId: string, key: Buffer): Buffer {
    return createHmac('sha256', key).update(`writ/honeytoken/v1:${tokenId}`).digest();
  }
}
