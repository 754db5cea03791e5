import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWK, type CryptoKey } from 'jose';

export interface TokenFacts {
  sub: string;
  groups?: string[];
  team?: string;
  clientId?: string;
  /** Seconds ago that the person signed in. */
  signedInAgo?: number;
  expiresIn?: string;
  audience?: string;
}

/** An identity provider of a test: discovery, keys and signed tokens over real HTTP. */
export class TestIdentity {
  /** Answers in the provider's place, where it gives something. */
  answer?: (path: string) => { status: number; body: object } | undefined;

  private constructor(private readonly server: Server, private readonly key: CryptoKey, readonly issuer: string) {}

  static async start(): Promise<TestIdentity> {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'test', alg: 'ES256', use: 'sig' };
    const server = createServer((request, response) => {
      const { status, body } = identity.answer?.(request.url ?? '') ?? { status: 200, body: request.url === '/jwks' ? { keys: [jwk] } : { issuer, jwks_uri: `${issuer}/jwks` } };
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const identity = new TestIdentity(server, privateKey, issuer);
    return identity;
  }

  token({ sub, groups = [], team, clientId = 'test', signedInAgo = 0, expiresIn = '1h', audience = 'urn:writ:api' }: TokenFacts): Promise<string> {
    return new SignJWT({ groups, client_id: clientId, auth_time: Math.floor(Date.now() / 1000) - signedInAgo, ...(team ? { team } : {}) })
      .setProtectedHeader({ alg: 'ES256', kid: 'test', typ: 'at+jwt' })
      .setIssuer(this.issuer).setSubject(sub).setAudience(audience).setIssuedAt().setExpirationTime(expiresIn).sign(this.key);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
