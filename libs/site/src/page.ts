import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** The page that checks a log in a browser, one file without any other, and the policy it is to be served under. */
export interface VerifierPage {
  html: string;
  contentSecurityPolicy: string;
}

/**
 * Puts the page together: the rules that the command line judges by go into its one script, and its own policy names the
 * digests of that script and of its one style. Served, it also may not be framed.
 */
export function verifierPage(): VerifierPage {
  const read = (name: string) => readFileSync(new URL(`../page/${name}`, import.meta.url), 'utf8');
  const rules = read('judge.js').replaceAll(/^export /gm, '');
  const page = read('verify.html').replace('// {{rules}}\n', () => rules);
  const html = ['script', 'style'].reduce((text, tag) => text.replace(`{{${tag}}}`, digestOf(page, tag)), page);
  const [, policy] = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)!;
  return { html, contentSecurityPolicy: `${policy}; frame-ancestors 'none'` };
}

function digestOf(html: string, tag: string): string {
  const [, text] = new RegExp(`<${tag}>([^]*?)</${tag}>`).exec(html)!;
  return `'sha256-${createHash('sha256').update(text!).digest('base64')}'`;
}
