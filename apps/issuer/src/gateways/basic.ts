/** A gateway's credentials out of an `Authorization` header: RFC 7617, with both halves form-encoded as RFC 6749, section 2.3.1 says. */
export function basicOf(header: string): { clientId: string; secret: string } | undefined {
  if (header.slice(0, 6).toLowerCase() !== 'basic ') return undefined;
  const pair = Buffer.from(header.slice(6), 'base64').toString();
  const colon = pair.indexOf(':');
  return colon > 0 ? { clientId: decoded(pair.slice(0, colon)), secret: decoded(pair.slice(colon + 1)) } : undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
