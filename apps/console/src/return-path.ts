/** Where a sign-in may lead back to: a place of the console's page. Anything that a browser would take for another host, or for a route that acts, is nothing. */
export function returnPath(asked: string, own: string): string | undefined {
  if (!asked.startsWith('/') || !URL.canParse(asked, own)) return undefined;
  const url = new URL(asked, own);
  // `/.//evil.example` is of our own origin and has the path `//evil.example`, which alone would be another host.
  if (url.origin !== new URL(own).origin || url.pathname.startsWith('//') || /^\/(auth|api)(\/|$)/.test(url.pathname)) return undefined;
  return url.pathname + url.search + url.hash;
}
