import { hash, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import DataLoader from 'dataloader';
import type { Gateway, GatewayCredentials, RegisterGatewayBody, RenewedGatewayCredentials } from '@writ/contracts';
import { Transactions, type Db } from '@writ/messaging';
import { conflict, GatewayRegister, notFound, type Caller } from '@writ/service';
import { encodeFields, macEquals, type KeyProvider } from '@writ/token';
import { KEYS } from '../keys.store.js';
import { basicOf } from './basic.js';

interface GatewayRow {
  client_id: string;
  name: string;
  audiences: string[];
  broker_user: string | null;
  secret_digest: Buffer;
  previous_digest: Buffer | null;
  previous_ends_at: Date | null;
  created_at: Date;
  mac: Buffer;
  mac_kid: string;
}

type FoundRow = GatewayRow & { previous_alive: boolean | null };

/** A gateway that proved who it is. */
export interface KnownGateway {
  clientId: string;
  audiences: readonly string[];
}

/** For so long a proof of identity is remembered. */
const rememberMs = 5_000;
const maxRemembered = 10_000;

/** The gateways that may verify, and the audiences whose tokens each may see. */
@Injectable()
export class Gateways extends GatewayRegister {
  // By digest of the credentials, never by the credentials: a memory dump holds none, and looking up leaks no timing.
  private readonly byHeader: Remembered = new Map();
  // What each open connection proved last, as it is: the connection itself repeats it with every request, and that costs no digest then.
  private readonly byConnection = new WeakMap<object, Proof & { header: string }>();
  private readonly byUser: Remembered = new Map();
  private reading: Promise<unknown> = Promise.resolve();
  /** One read after the other, for all who came meanwhile: whoever floods with wrong credentials holds one connection of the pool. */
  private readonly rows = new DataLoader<string, FoundRow | undefined>((keys) => {
    const found = this.read(keys);
    this.reading = found;
    return found;
  }, { cache: false, batchScheduleFn: (dispatch) => void this.reading.then(dispatch, dispatch) });

  constructor(private readonly transactions: Transactions<'issuer'>, @Inject(KEYS) private readonly keys: KeyProvider) {
    super();
  }

  async authenticate(authorization: string | undefined): Promise<Caller | undefined> {
    const gateway = await this.ofHeader(authorization);
    return gateway && { kind: 'gateway', iss: 'urn:writ:gateway', sub: gateway.clientId, roles: new Set(), groups: [], clientId: gateway.clientId, audiences: gateway.audiences };
  }

  /** Who sent this `Authorization` value, or nobody. Over the same connection the same value is known sooner. */
  ofHeader(header: string | undefined, connection?: object): KnownGateway | undefined | Promise<KnownGateway | undefined> {
    if (header === undefined || header.length > 1_024) return undefined;
    const last = connection && this.byConnection.get(connection);
    if (last && last.until > performance.now() && isSame(last.header, header)) return last.gateway;
    const key = hash('sha256', header, 'binary');
    const known = recall(this.byHeader, key);
    if (known) {
      if (connection) this.byConnection.set(connection, { header, ...known });
      return known.gateway;
    }
    const pair = basicOf(header);
    return pair && this.prove(pair.clientId, pair.secret).then((gateway) => remember(this.byHeader, key, gateway));
  }

  /** Whom the broker's user speaks for; the broker has checked the user. */
  ofBrokerUser(user: string): KnownGateway | Promise<KnownGateway | undefined> {
    return recall(this.byUser, user)?.gateway ?? this.believed(user).then((gateway) => remember(this.byUser, user, gateway));
  }

  async register(db: Db, { name, audiences, brokerUser }: RegisterGatewayBody, by: { iss: string; sub: string }): Promise<GatewayCredentials> {
    const clientSecret = randomBytes(32).toString('base64url');
    const secretDigest = digestOf(clientSecret);
    const kid = this.keys.keys('row').current;
    const row = { client_id: name, audiences, broker_user: brokerUser ?? null, secret_digest: secretDigest, previous_digest: null, previous_ends_at: null };
    const taken = await db.query(
      `INSERT INTO gateway (client_id, name, audiences, broker_user, secret_digest, created_by, mac, mac_kid)
       VALUES ($1, $1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING client_id`,
      [name, audiences, brokerUser ?? null, secretDigest, JSON.stringify({ iss: by.iss, sub: by.sub }), await this.keys.mac('row', bytesOf(row), kid), kid],
    );
    if (taken.length === 0) throw conflict('gateway-exists', 'A gateway with this name or broker user is registered already.', 'Choose another name.');
    return { clientId: name, clientSecret };
  }

  /**
   * Gives a gateway a new secret and lets the present one work for `overlapSeconds` more, so that each of its instances
   * can change over in its own time. One that was replaced before ends now.
   */
  async renewSecret(db: Db, clientId: string, overlapSeconds: number): Promise<RenewedGatewayCredentials> {
    const [row] = await db.query<GatewayRow & { ends_at: Date }>(
      `SELECT *, date_trunc('milliseconds', now() + make_interval(secs => $2)) AS ends_at FROM gateway WHERE client_id = $1 FOR UPDATE`, [clientId, overlapSeconds],
    );
    if (!row || !(await this.isOurs(row))) throw notFound('gateway');
    const clientSecret = randomBytes(32).toString('base64url');
    const next = { ...row, secret_digest: digestOf(clientSecret), previous_digest: row.secret_digest, previous_ends_at: row.ends_at };
    const kid = this.keys.keys('row').current;
    await db.query(
      'UPDATE gateway SET secret_digest = $2, previous_digest = $3, previous_ends_at = $4, mac = $5, mac_kid = $6 WHERE client_id = $1',
      [clientId, next.secret_digest, next.previous_digest, next.previous_ends_at, await this.keys.mac('row', bytesOf(next), kid), kid],
    );
    return { clientId, clientSecret, previousEndsAt: row.ends_at.toISOString() };
  }

  async list(db: Db): Promise<Gateway[]> {
    const rows = await db.query<GatewayRow>('SELECT * FROM gateway ORDER BY client_id');
    return rows.map((row) => ({
      clientId: row.client_id, name: row.name, audiences: row.audiences, ...(row.broker_user === null ? {} : { brokerUser: row.broker_user }), createdAt: row.created_at.toISOString(),
    }));
  }

  private async prove(clientId: string, secret: string): Promise<KnownGateway | undefined> {
    const row = await this.rows.load(`client ${clientId}`);
    // Both compared also where there is no such gateway, so that the time taken does not tell.
    const given = digestOf(secret);
    const matches = macEquals(given, row?.secret_digest ?? Buffer.alloc(32));
    const matchesPrevious = macEquals(given, row?.previous_digest ?? Buffer.alloc(32)) && row?.previous_alive === true;
    if (!row || !(matches || matchesPrevious) || !(await this.isOurs(row))) return undefined;
    return { clientId: row.client_id, audiences: row.audiences };
  }

  private async believed(brokerUser: string): Promise<KnownGateway | undefined> {
    const row = await this.rows.load(`user ${brokerUser}`);
    return row && (await this.isOurs(row)) ? { clientId: row.client_id, audiences: row.audiences } : undefined;
  }

  /** A gateway, or an audience, that somebody wrote into the table is none. */
  private async isOurs(row: GatewayRow): Promise<boolean> {
    return macEquals(row.mac, await this.keys.mac('row', bytesOf(row), row.mac_kid));
  }

  private async read(keys: readonly string[]): Promise<(FoundRow | undefined)[]> {
    // PostgreSQL keeps no NUL: a name with one is nobody's.
    const named = (prefix: string) => keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length).replaceAll('\0', ''));
    const rows = await this.transactions.read((db) => db.query<FoundRow>(
      'SELECT *, previous_ends_at > now() AS previous_alive FROM gateway WHERE client_id = ANY($1) OR broker_user = ANY($2)', [named('client '), named('user ')],
    ));
    const byKey = new Map<string, FoundRow>(rows.flatMap((row) => [[`client ${row.client_id}`, row] as const, ...(row.broker_user === null ? [] : [[`user ${row.broker_user}`, row] as const])]));
    return keys.map((key) => byKey.get(key));
  }
}

/** In the same time wherever they differ: a proxy may send several gateways' requests over one connection. */
function isSame(known: string, given: string): boolean {
  let difference = known.length ^ given.length;
  for (let i = 0; i < given.length; i++) difference |= known.charCodeAt(i) ^ given.charCodeAt(i);
  return difference === 0;
}

interface Proof {
  gateway: KnownGateway;
  until: number;
}
type Remembered = Map<string, Proof>;

function recall(remembered: Remembered, key: string): Proof | undefined {
  const known = remembered.get(key);
  return known && known.until > performance.now() ? known : undefined;
}

function remember(remembered: Remembered, key: string, gateway: KnownGateway | undefined): KnownGateway | undefined {
  if (!gateway) return undefined;
  if (remembered.size >= maxRemembered) remembered.clear();
  remembered.set(key, { gateway, until: performance.now() + rememberMs });
  return gateway;
}

type Sealed = Pick<GatewayRow, 'client_id' | 'audiences' | 'broker_user' | 'secret_digest' | 'previous_digest' | 'previous_ends_at'>;

/** What the row's MAC covers. A gateway whose secret was never renewed is as it was before secrets could be. */
function bytesOf({ client_id, audiences, broker_user, secret_digest, previous_digest, previous_ends_at }: Sealed): Buffer {
  const fields = [client_id, [...audiences].sort(), broker_user ?? undefined, secret_digest];
  if (previous_digest === null || previous_ends_at === null) return encodeFields('writ/gateway/v1', fields);
  return encodeFields('writ/gateway/v2', [...fields, previous_digest, previous_ends_at.toISOString()]);
}

function digestOf(text: string): Buffer {
  return hash('sha256', text, 'buffer');
}
