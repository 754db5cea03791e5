import type { Verification } from '@writ/contracts';

/** RFC 7662, section 2.2: what is not active for this caller is `{"active":false}` and nothing else. */
export function introspectionOf({ valid, scopes = [], owner, audience, expiresAt = '', tokenId, environment }: Verification, issuer: string): object {
  if (!valid) return { active: false };
  return { active: true, scope: scopes.join(' '), sub: owner, aud: audience, exp: Math.floor(Date.parse(expiresAt) / 1000), jti: tokenId, token_type: 'Bearer', iss: issuer, environment };
}
