import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import { errors } from 'oidc-provider';
import { consentPage, errorPage, signInPage } from './pages.js';
import { people, personKeys, personOf, strongSignIn, type PersonKey } from './people.js';

const maximumFormBytes = 4096;
const route = /^\/interaction\/([\w-]+)(?:\/(login|confirm|abort))?$/;

/** The pages between a client's question and its answer: who are you, and may it. Answers false for other paths. */
export async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
  const [, uid, action] = route.exec(new URL(request.url ?? '/', 'http://localhost').pathname) ?? [];
  if (uid === undefined) return false;
  if (request.method !== (action === undefined ? 'GET' : 'POST')) {
    sendPage(response, 405, errorPage('method_not_allowed'));
    return true;
  }
  try {
    if (action === undefined) await show(provider, request, response);
    else await finish(provider, request, response, action);
  } catch (error) {
    if (!(error instanceof errors.OIDCProviderError)) throw error;
    sendPage(response, error.statusCode, errorPage(error.message, error.error_description));
  }
  return true;
}

async function show(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { uid, prompt, params, session } = await provider.interactionDetails(request, response);
  const client = await provider.Client.find(String(params.client_id));
  const name = client?.clientName ?? String(params.client_id);
  if (prompt.name === 'login') sendPage(response, 200, signInPage(uid, name, personKeys.map((key) => [key, people[key]])));
  else sendPage(response, 200, consentPage(uid, name, personOf(session?.accountId ?? '')?.name ?? 'unknown'));
}

async function finish(provider: Provider, request: IncomingMessage, response: ServerResponse, action: string): Promise<void> {
  if (action === 'abort') {
    await provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'The person declined.' }, { mergeWithLastSubmission: false });
    return;
  }
  if (action === 'login') {
    const key = (await readForm(request)).get('person') ?? '';
    if (!personKeys.includes(key as PersonKey)) throw new errors.InvalidRequest('no such person');
    await provider.interactionFinished(request, response, { login: { accountId: people[key as PersonKey].sub, acr: strongSignIn, amr: ['pwd'] } }, { mergeWithLastSubmission: false });
    return;
  }
  const grantId = await grantWhatIsMissing(provider, await provider.interactionDetails(request, response));
  await provider.interactionFinished(request, response, { consent: { grantId } }, { mergeWithLastSubmission: true });
}

async function grantWhatIsMissing(provider: Provider, { prompt, params, session, grantId }: Awaited<ReturnType<Provider['interactionDetails']>>): Promise<string> {
  if (prompt.name !== 'consent' || session === undefined) throw new errors.InvalidRequest('sign in first');
  const grant = (grantId === undefined ? undefined : await provider.Grant.find(grantId)) ?? new provider.Grant({ accountId: session.accountId, clientId: String(params.client_id) });
  const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details as { missingOIDCScope?: string[]; missingOIDCClaims?: string[]; missingResourceScopes?: Record<string, string[]> };
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(' '));
  return grant.save();
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maximumFormBytes) throw new errors.InvalidRequest('form too large');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

export function sendPage(response: ServerResponse, status: number, html: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'x-frame-options': 'DENY',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  }).end(html);
}
