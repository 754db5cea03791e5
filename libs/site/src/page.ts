import { readFileSync } from 'node:fs';

/** The page that checks a log in a browser, one file without any other, and the policy it is to be served under. */
export interface VerifierPage {
  html: string;
  contentSecurityPolicy: string;
}

/** Reads the page. Its own policy names the digests of its one script and style; served, it also may not be framed. */
export function verifierPage(): VerifierPage {
  const html = readFileSync(new URL('../page/verify.html', import.meta.url), 'utf8');
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)!;
  return { html, contentSecurityPolicy: `${policy}; frame-ancestors 'none'` };
}
