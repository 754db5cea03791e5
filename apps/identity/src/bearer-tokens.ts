import { SignJWT, type CryptoKey } from 'jose';
import { accessClaims, people, personKeys, strongSignIn, type PersonKey } from './people.js';

export const bearerLifetimeSeconds = 8 * 3600;

/** One access token per person, as the code flow would have given it, for scripts that cannot open a browser. */
export async function bearerTokens(facts: { key: CryptoKey; kid: string; issuer: string; audience: string; now: Date; newId: () => string }): Promise<Record<PersonKey, string>> {
  const authTime = Math.floor(facts.now.getTime() / 1000);
  const signed = personKeys.map(async (key) => {
    const person = people[key];
    const token = await new SignJWT({ client_id: 'writ-cli', scope: 'openid profile', ...accessClaims(person, { acr: strongSignIn, authTime }) })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: facts.kid })
      .setIssuer(facts.issuer).setSubject(person.sub).setAudience(facts.audience).setJti(facts.newId())
      .setIssuedAt(authTime).setExpirationTime(authTime + bearerLifetimeSeconds)
      .sign(facts.key);
    return [key, token] as const;
  });
  return Object.fromEntries(await Promise.all(signed)) as Record<PersonKey, string>;
}
