import { createHash } from 'node:crypto';

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type RequestId = Branded<'request'>;
export type TokenId = Branded<'token'>;
export type RotationId = Branded<'rotation'>;
export type CampaignId = Branded<'campaign'>;
export type AlertId = Branded<'alert'>;
export type ReportId = Branded<'report'>;
export type VerifierId = Branded<'verifier'>;
export type EventId = Branded<'event'>;
/** `sha256:` and 64 lower-case hexadecimal digits. */
export type Digest = Branded<'digest'>;

export interface IdTypes {
  req: RequestId;
  tok: TokenId;
  rot: RotationId;
  cmp: CampaignId;
  alr: AlertId;
  rep: ReportId;
  vrf: VerifierId;
  evt: EventId;
}
export type IdPrefix = keyof IdTypes;

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const bodyLength = 26;

/** Matches every id of the given kind: its prefix, an underscore, 26 characters of Crockford's base 32. */
export function idPattern(prefix: IdPrefix): RegExp {
  return new RegExp(`^${prefix}_[${alphabet}]{${bodyLength}}$`);
}

/**
 * Makes an id of 48 bits of time and 80 bits of entropy; ids sort by time, so that indices stay local.
 * @param timeMs milliseconds since 1970
 * @param entropy at least 10 bytes: random ones, or a digest where the same facts must give the same id
 */
export function makeId<P extends IdPrefix>(prefix: P, timeMs: number, entropy: Uint8Array): IdTypes[P] {
  const bytes = new Uint8Array(16);
  let time = Math.max(0, Math.floor(timeMs));
  for (let i = 5; i >= 0; i--) {
    bytes[i] = time % 256;
    time = Math.floor(time / 256);
  }
  bytes.set(entropy.subarray(0, 10), 6);
  return `${prefix}_${base32(bytes)}` as IdTypes[P];
}

/**
 * Derives an id from facts, so that handling the same facts twice names the same thing.
 * @param timeMs a time that is itself part of the facts, never "now"
 */
export function deriveId<P extends IdPrefix>(prefix: P, timeMs: number, ...facts: string[]): IdTypes[P] {
  return makeId(prefix, timeMs, createHash('sha256').update(JSON.stringify([prefix, ...facts])).digest());
}

function base32(bytes: Uint8Array): string {
  let bits = 0;
  let held = 0;
  let text = '';
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return text + alphabet[(held << (5 - bits)) & 31];
}
